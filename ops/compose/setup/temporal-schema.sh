#!/bin/sh
# Temporal's databases: made where they are missing, then brought up to date. Connection: the SQL_* variables.
set -eu
versions=/etc/temporal/schema/postgresql/v12
for database in temporal temporal_visibility; do
  temporal-sql-tool --db "$database" create
  temporal-sql-tool --db "$database" setup-schema -v 0.0
done
temporal-sql-tool --db temporal update-schema -d "$versions/temporal/versioned"
temporal-sql-tool --db temporal_visibility update-schema -d "$versions/visibility/versioned"
