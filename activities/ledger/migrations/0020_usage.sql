-- Up Migration

-- What was used, as it is booked: in the transaction that books it, without partitions and almost without indexes. The
-- roll-up empties it into the tables below, so that each line is in exactly one of the two.
create table usage_inbox (
  id bigint primary key generated always as identity,
  at timestamptz not null,
  client_id text not null,
  scope_path text not null,
  template text,
  worker text,
  request_id text not null,
  -- Attempt 0 is the request as a whole.
  attempt integer not null check (attempt >= 0),
  kind text not null check (kind in ('admission', 'refusal', 'use', 'assumed', 'correction')),
  -- Null: the request, or what a whole attempt cost.
  resource text,
  requests integer not null,
  units bigint not null check (units between -9007199254740991 and 9007199254740991),
  cost bigint not null check (cost between -9007199254740991 and 9007199254740991),
  check (requests = case kind when 'admission' then 1 when 'refusal' then -1 else 0 end),
  check ((kind in ('admission', 'refusal')) = (attempt = 0))
);
create index usage_inbox_of_client on usage_inbox (client_id);

-- The same lines for as long as they are kept, a partition a month.
create table usage_line (
  id bigint not null,
  at timestamptz not null,
  client_id text not null,
  scope_path text not null,
  template text,
  worker text,
  request_id text not null,
  attempt integer not null,
  kind text not null,
  resource text,
  requests integer not null,
  units bigint not null,
  cost bigint not null,
  primary key (client_id, at, id)
) partition by range (at);

-- Sums of usage_line by hour (UTC). An empty text is none.
create table usage_hour (
  client_id text not null,
  at timestamptz not null,
  template text not null,
  worker text not null,
  resource text not null,
  requests bigint not null,
  units bigint not null,
  cost bigint not null,
  primary key (client_id, at, template, worker, resource)
) partition by range (at);

-- The same sums by scope: apart, because there may be as many scopes as requests.
create table usage_scope_hour (
  client_id text not null,
  at timestamptz not null,
  scope_path text not null,
  resource text not null,
  requests bigint not null,
  units bigint not null,
  cost bigint not null,
  primary key (client_id, at, scope_path, resource)
) partition by range (at);

-- Since when all lines are there: older ones were dropped, and their sums can no longer be recomputed.
create table usage_kept (
  only_row boolean primary key default true check (only_row),
  lines_from timestamptz not null default '-infinity'
);
insert into usage_kept default values;

-- A line whose month has no partition yet is kept here until it has one: nothing that is booked can be lost.
create table usage_line_rest partition of usage_line default;
create table usage_hour_rest partition of usage_hour default;
create table usage_scope_hour_rest partition of usage_scope_hour default;

-- Gives a table its partition of the month that begins at `starts` (UTC), with what waited for it in the table's rest;
-- false where it has it.
create function make_month(parent text, starts timestamptz) returns boolean
language plpgsql as $$
declare
  month text := parent || to_char(starts at time zone 'UTC', '_YYYY_MM');
  rest text := parent || '_rest';
  ends timestamptz := (starts at time zone 'UTC' + interval '1 month') at time zone 'UTC';
begin
  if to_regclass(month) is not null then return false; end if;
  execute format('create table %I (like %I including all)', month, parent);
  execute format('lock table %I in access exclusive mode', rest);
  execute format('with moved as (delete from %I where at >= %L and at < %L returning *) insert into %I select * from moved',
                 rest, starts, ends, month);
  execute format('alter table %I attach partition %I for values from (%L) to (%L)', parent, month, starts, ends);
  return true;
end
$$;

-- The model that a resource names: the middle of `provider/model/meter`; null where the id has no such form.
create function model_of(resource text) returns text
language sql immutable as $$
  select case when resource like '%/%/%' then split_part(resource, '/', 2) end
$$;

-- Down Migration

drop function model_of, make_month;
drop table usage_kept, usage_scope_hour, usage_hour, usage_line, usage_inbox;
