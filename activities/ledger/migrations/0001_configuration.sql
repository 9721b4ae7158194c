-- Up Migration

-- The desired state. Definitions are the domain's own JSON; every change bumps the one version.
create table config (
  only_row boolean primary key default true check (only_row),
  version bigint not null default 0,
  -- The newest version that the limiter has confirmed.
  applied_version bigint not null default 0
);
insert into config default values;

create table config_change (
  version bigint not null,
  kind text not null check (kind in ('resource', 'tier', 'client', 'template', 'worker', 'price', 'budgets')),
  id text not null,
  at timestamptz not null default now(),
  actor text not null,
  before jsonb,
  after jsonb,
  primary key (version, kind, id)
);

create table resource (
  id text primary key,
  definition jsonb not null check (definition ->> 'id' = id)
);

create table tier (
  id text primary key,
  definition jsonb not null check (definition ->> 'id' = id)
);

create table client (
  id text primary key,
  definition jsonb not null check (definition ->> 'id' = id),
  tier text not null generated always as (definition ->> 'tier') stored references tier (id)
);
create index client_tier on client (tier);

create table worker (
  id text primary key,
  definition jsonb not null check (definition ->> 'name' = id)
);

create table template (
  id text primary key,
  definition jsonb not null check (definition ->> 'name' = id)
);

-- Never changed and never deleted: cost lines name them. The newest one in force applies, the last written first.
create table price (
  id bigint generated always as identity primary key,
  resource_id text not null,
  effective_from timestamptz not null,
  per_unit_usd numeric(24, 15) not null check (per_unit_usd >= 0),
  source text not null,
  created_at timestamptz not null default now()
);
create index price_in_force on price (resource_id, effective_from desc, id desc);

create table api_key (
  id text primary key,
  hash text not null unique,
  client_id text,
  scopes text[] not null,
  label text not null,
  created_at timestamptz not null,
  expires_at timestamptz
);

-- The state that the limiter of a group last published.
create table limiter_view (
  limiter_group text primary key,
  as_of timestamptz not null,
  snapshot text not null
);

-- Down Migration

drop table limiter_view, api_key, price, template, worker, client, tier, resource, config_change, config;
