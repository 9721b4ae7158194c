#!/bin/sh
# What requests can be found by; attributes that are there already stay.
set -eu
temporal operator search-attribute create --type Keyword \
  --name RmClient --name RmTier --name RmWorker --name RmUrgency --name RmState
