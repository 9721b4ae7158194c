-- Up Migration

-- A budget keeps its row and its periods when it is replaced or removed: use is never forgotten.
create table budget (
  id bigint generated always as identity primary key,
  scope text not null,
  -- Distance from the root; locks are taken in the order (depth, id, period).
  depth integer not null generated always as
    (case when scope = 'global' then 0 else 1 + length(scope) - length(replace(scope, '/', '')) end) stored,
  unit text not null,
  period text not null check (period in ('minute', 'hour', 'day', 'month', 'total')),
  timezone text not null,
  -- `tier`: the month budget of the client's tier, which is the one that knows the amount.
  source text not null check (source in ('own', 'tier')),
  is_active boolean not null,
  amount bigint check (amount between 0 and 9007199254740991),
  enforcement text not null check (enforcement in ('hard', 'soft')),
  grace_ms bigint check (grace_ms >= 0),
  overage_multiplier numeric(6, 3) check (overage_multiplier >= 1),
  overage_max bigint check (overage_max between 0 and 9007199254740991),
  unique (scope, unit, period, timezone),
  check ((source = 'tier') = (amount is null)),
  check ((enforcement = 'soft') = (grace_ms is not null)),
  check ((enforcement = 'soft') = (overage_multiplier is not null)),
  check ((enforcement = 'soft') = (overage_max is not null))
);

create table budget_period (
  budget_id bigint not null references budget (id),
  starts_at timestamptz not null,
  -- In nano-USD or the budget's unit.
  held bigint not null default 0 check (held between 0 and 9007199254740991),
  used bigint not null default 0 check (used between 0 and 9007199254740991),
  surcharge bigint not null default 0 check (surcharge between 0 and 9007199254740991),
  crossed_at timestamptz,
  primary key (budget_id, starts_at)
) with (fillfactor = 50);

-- What a request has set aside in one period of one budget.
create table hold (
  request_id text not null references request (id),
  admission integer not null,
  budget_id bigint not null,
  starts_at timestamptz not null,
  amount bigint not null check (amount between 0 and 9007199254740991),
  is_open boolean not null,
  primary key (request_id, admission, budget_id),
  foreign key (budget_id, starts_at) references budget_period (budget_id, starts_at)
);

-- The truth about budgets, never changed: balances are sums of these. Once per request, attempt and kind.
-- Attempt 0 is the request as a whole.
create table entry (
  request_id text not null,
  admission integer not null,
  attempt integer not null check (attempt >= 0),
  kind text not null check (kind in ('hold', 'use', 'assumed', 'correction', 'release')),
  budget_id bigint not null,
  held bigint not null check (held between -9007199254740991 and 9007199254740991),
  used bigint not null check (used between -9007199254740991 and 9007199254740991),
  surcharge bigint not null check (surcharge between -9007199254740991 and 9007199254740991),
  at timestamptz not null,
  primary key (request_id, admission, attempt, kind, budget_id),
  foreign key (request_id, admission, budget_id) references hold (request_id, admission, budget_id),
  check ((kind in ('hold', 'release')) = (attempt = 0)),
  check (kind in ('hold', 'release') or held = 0),
  check (kind <> 'hold' or (held >= 0 and used = 0 and surcharge = 0)),
  check (kind <> 'release' or (held <= 0 and used = 0 and surcharge = 0)),
  check (kind not in ('use', 'assumed') or (used > 0 and surcharge >= 0))
);

-- Down Migration

drop table entry, hold, budget_period, budget;
