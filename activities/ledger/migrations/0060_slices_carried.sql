-- Up Migration

-- What entries that are no longer kept added up to, as in budget_period.
alter table budget_slice add column carried_used bigint not null default 0;

-- Down Migration

alter table budget_slice drop column carried_used;
