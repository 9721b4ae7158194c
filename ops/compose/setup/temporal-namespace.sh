#!/bin/sh
# The namespace TEMPORAL_NAMESPACE, where it is missing; histories are kept for a week.
set -eu
tries=30
until temporal operator cluster health; do
  tries=$((tries - 1))
  if [ "$tries" -eq 0 ]; then exit 1; fi
  sleep 1
done
temporal operator namespace describe >/dev/null 2>&1 || temporal operator namespace create --retention 7d
