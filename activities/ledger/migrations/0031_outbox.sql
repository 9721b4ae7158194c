-- Up Migration

-- Events go out in the order of `number`, which is given when they are read: what is committed gets the next number.
alter table event
  drop constraint event_pkey,
  alter column request_id drop not null,
  alter column state drop not null,
  -- Null: a change of a request's state, named by it.
  add column name text check (name in ('usage.recorded', 'budget.threshold_reached', 'budget.exhausted')),
  -- Whose it is, where no request tells.
  add column scope text,
  add column number bigint,
  add check ((name is null) = (state is not null)),
  add check ((request_id is null) = (scope is not null));
create unique index event_of_request on event (request_id, sequence);
create unique index event_number on event (number) where number is not null;
create index event_unnumbered on event (sequence) where number is null;
-- Events are written in the order of their times: a summary of ranges finds the old ones.
create index event_at on event using brin (at);

create sequence event_number_sequence owned by event.number;

-- Down Migration

delete from event where name is not null;
drop index event_at, event_unnumbered, event_number, event_of_request;
alter table event
  drop column name, drop column scope, drop column number,
  alter column state set not null,
  alter column request_id set not null,
  add primary key (request_id, sequence);
