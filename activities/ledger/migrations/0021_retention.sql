-- Up Migration

-- What entries and lines that are no longer kept added up to.
alter table budget_period
  add column carried_used bigint not null default 0,
  add column carried_surcharge bigint not null default 0;
alter table allowance add column carried_units bigint not null default 0;

create index request_refused on request (created_at) where state = 'refused';
-- Periods grow with time, so a summary of ranges finds the holds of an old one.
create index hold_of_period on hold using brin (starts_at);

-- Drops a table's partitions of the months that ended at `before` or earlier; their names.
create function drop_months(parent text, before timestamptz) returns setof text
language plpgsql as $$
declare
  month text;
begin
  for month in
    select c.relname from pg_inherits i join pg_class c on c.oid = i.inhrelid
    where i.inhparent = parent::regclass and c.relname ~ '_\d{4}_\d\d$'
      and make_timestamp(left(right(c.relname, 7), 4)::integer, right(c.relname, 2)::integer, 1, 0, 0, 0)
          + interval '1 month' <= before at time zone 'UTC'
    order by 1
  loop
    execute format('drop table %I', month);
    return next month;
  end loop;
end
$$;

-- Down Migration

drop function drop_months;
drop index hold_of_period, request_refused;
alter table allowance drop column carried_units;
alter table budget_period drop column carried_used, drop column carried_surcharge;
