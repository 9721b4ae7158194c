#!/bin/sh
# What requests can be found by; attributes that are there already stay. One by one: of several names in one call the
# server takes the first.
set -eu
for name in RmClient RmTier RmWorker RmUrgency; do
  temporal operator search-attribute create --type Keyword --name "$name"
done
