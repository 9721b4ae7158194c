-- Up Migration

-- When the first threshold of the present period was told; a rolling budget's thresholds are told anew a window later.
alter table budget_period
  add column told_at timestamptz,
  add check (told_at is null or told_percent > 0);

-- Down Migration

alter table budget_period drop column told_at;
