-- Up Migration

create table request (
  id text primary key,
  kind text not null check (kind in ('execution', 'reservation')),
  body_hash text not null,
  client_id text not null,
  tier text,
  scope jsonb not null,
  scope_path text not null,
  labels jsonb not null,
  state text not null check (state in ('deferred', 'waiting', 'granted', 'executing',
                                       'completed', 'failed', 'cancelled', 'expired', 'refused')),
  -- Counts the reservations at the limiter; the holds were taken at the generation `admission`.
  generation integer not null check (generation >= 1),
  admission integer not null check (admission between 1 and generation),

  -- Asked and planned.
  urgency text not null check (urgency in ('urgent', 'high', 'normal', 'low')),
  asked_urgency text not null check (asked_urgency in ('urgent', 'high', 'normal', 'low')),
  accuracy text check (accuracy in ('high', 'standard')),
  template text,
  worker text,
  call jsonb,
  input jsonb,
  max_concurrent integer,
  demand jsonb not null,
  demand_from text check (demand_from in ('request', 'template', 'worker')),
  estimated_cost bigint not null check (estimated_cost between 0 and 9007199254740991),
  config_version bigint not null,
  created_at timestamptz not null,
  defer_until timestamptz,
  wait_until timestamptz,
  longest_wait_ms bigint check (longest_wait_ms >= 0),
  deadline timestamptz,
  lease_ms bigint,

  -- The limiter's word on the current generation.
  position integer,
  eta timestamptz,
  waiting_for jsonb,
  waited_for jsonb,
  decided_version bigint,
  granted_at timestamptz,
  start_by timestamptz,
  expires_at timestamptz,
  left_units jsonb,

  -- How it went.
  started_at timestamptz,
  ended_at timestamptz,
  output jsonb,
  is_partial boolean not null default false,
  error jsonb,
  refusal jsonb,
  actual jsonb,
  actual_cost bigint check (actual_cost between -9007199254740991 and 9007199254740991),
  outcome text check (outcome in ('success', 'failure', 'cancelled', 'unknown')),
  release_hash text,
  is_late boolean not null default false,

  check ((state in ('completed', 'failed', 'cancelled', 'expired', 'refused')) = (ended_at is not null)),
  check ((state = 'refused') = (refusal is not null)),
  check (state = 'refused' or (tier is not null and wait_until is not null and longest_wait_ms is not null
                                 and lease_ms is not null)),
  check (state = 'refused' or (kind = 'execution') = (call is not null)),
  check (state <> 'deferred' or defer_until is not null),
  check (state not in ('granted', 'executing') or (granted_at is not null and expires_at is not null)),
  check (state not in ('completed', 'failed', 'cancelled') or actual_cost is not null or kind = 'reservation'),
  check ((release_hash is null) or kind = 'reservation')
);
create index request_created on request (created_at, id);
create index request_of_client on request (client_id, created_at, id);
create index request_open on request (state, client_id)
  where state in ('deferred', 'waiting', 'granted', 'executing');
create index request_granted on request (granted_at) where granted_at is not null;

-- Attempt 1 of a reservation is its holder's own work.
create table attempt (
  request_id text not null references request (id),
  attempt integer not null check (attempt >= 1),
  generation integer not null check (generation >= 1),
  begun_at timestamptz not null,
  reported_at timestamptz,
  use text not null check (use in ('unknown', 'none', 'reported')),
  consumed jsonb,
  cost bigint check (cost between 0 and 9007199254740991),
  primary key (request_id, attempt),
  check ((use = 'reported') = (consumed is not null)),
  check (use = 'reported' or cost is null),
  check ((use = 'unknown') = (reported_at is null))
);

-- What a request cost: the entries of its price, never changed. Their sum is `request.actual_cost`.
create table cost_line (
  request_id text not null,
  attempt integer not null,
  kind text not null check (kind in ('use', 'assumed', 'correction')),
  -- A resource id, or `*` for the whole attempt.
  item text not null,
  units bigint check (units between -9007199254740991 and 9007199254740991),
  cost bigint not null check (cost between -9007199254740991 and 9007199254740991),
  price_id bigint references price (id),
  at timestamptz not null,
  primary key (request_id, attempt, kind, item),
  foreign key (request_id, attempt) references attempt (request_id, attempt),
  check (kind = 'correction' or (cost >= 0 and coalesce(units, 0) >= 0)),
  check (item <> '*' or (units is null and price_id is null))
);

-- Each change of a request's state, in the transaction that makes it. Sequences grow over all requests.
create table event (
  sequence bigint not null generated always as identity,
  request_id text not null,
  state text not null check (state in ('admitted', 'deferred', 'waiting', 'granted', 'executing',
                                       'completed', 'failed', 'cancelled', 'expired', 'refused')),
  at timestamptz not null,
  detail jsonb,
  primary key (request_id, sequence)
);

-- Down Migration

drop table event, cost_line, attempt, request;
