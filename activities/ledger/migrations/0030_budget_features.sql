-- Up Migration

-- Rolling windows, carve-outs, credits and thresholds.
alter table budget
  drop constraint budget_period_check,
  drop constraint budget_source_check,
  drop constraint budget_scope_unit_period_timezone_key,
  -- 0 where the period is not `rolling`.
  add column window_ms bigint not null default 0 check (window_ms >= 0),
  -- Whole percents that are told when they are used; null: the default ones.
  add column thresholds jsonb,
  -- A carve-out's present life began then; each life has a period of its own.
  add column carved_from text,
  add column given_at timestamptz,
  -- A credit of another budget; null: a budget.
  add column credit_id text unique,
  add check (period in ('minute', 'hour', 'day', 'month', 'total', 'rolling')),
  add check (source in ('own', 'tier', 'carved', 'credit')),
  add check ((period = 'rolling') = (window_ms > 0)),
  add check ((source = 'carved') = (carved_from is not null)),
  add check ((source = 'carved') = (given_at is not null)),
  add check ((source = 'credit') = (credit_id is not null)),
  add check (source not in ('carved', 'credit') or (enforcement = 'hard' and period = 'total'));
create unique index budget_of_scope on budget (scope, unit, period, timezone, window_ms)
  where credit_id is null;

alter table budget_period
  -- What was carved out of other budgets for this life; 0 once its scope has ended; null: no carve-out.
  add column carved bigint check (carved between 0 and 9007199254740991),
  -- The highest threshold that was told, in percent.
  add column told_percent integer not null default 0 check (told_percent >= 0),
  -- When a request was first refused for want of it.
  add column exhausted_at timestamptz;

-- Where a life of a carve-out comes from. What is kept there is max(held, carved - used) of the life's period.
create table carve_out (
  budget_id bigint not null,
  starts_at timestamptz not null,
  from_budget_id bigint not null,
  from_starts_at timestamptz not null,
  primary key (budget_id, starts_at, from_budget_id),
  foreign key (budget_id, starts_at) references budget_period (budget_id, starts_at),
  foreign key (from_budget_id, from_starts_at) references budget_period (budget_id, starts_at)
);
create index carve_out_from on carve_out (from_budget_id, from_starts_at);

-- What was added to a budget, once by its id and never changed.
create table addition (
  id text primary key,
  budget_id bigint not null references budget (id),
  kind text not null check (kind in ('increase', 'top-up', 'credit')),
  amount bigint not null check (amount between 1 and 9007199254740991),
  from_at timestamptz not null,
  -- Null: for ever.
  until_at timestamptz,
  priority integer,
  content_hash text not null,
  actor text not null,
  at timestamptz not null,
  check ((kind = 'credit') = (priority is not null)),
  check (kind <> 'increase' or until_at is not null)
);
create index addition_of_budget on addition (budget_id, until_at);
alter table budget add foreign key (credit_id) references addition (id);

-- Raises that have not passed before `since`, as the domain's JSON; null where there are none.
create function raises_of(wanted bigint, since timestamptz) returns jsonb
language sql stable as $$
  select jsonb_agg(jsonb_build_object(
    'amount', amount,
    'fromMs', (extract(epoch from from_at) * 1000)::bigint,
    'untilMs', (extract(epoch from until_at) * 1000)::bigint) order by from_at, id)
  from addition
  where budget_id = wanted and kind <> 'credit' and (until_at is null or until_at > since)
$$;

-- Down Migration

drop function raises_of;
alter table budget drop column credit_id;
drop table addition, carve_out;
alter table budget_period drop column carved, drop column told_percent, drop column exhausted_at;
drop index budget_of_scope;
delete from budget where source in ('carved', 'credit') or period = 'rolling';
alter table budget
  drop column window_ms, drop column thresholds, drop column carved_from, drop column given_at,
  add constraint budget_period_check check (period in ('minute', 'hour', 'day', 'month', 'total')),
  add constraint budget_source_check check (source in ('own', 'tier')),
  add unique (scope, unit, period, timezone);
