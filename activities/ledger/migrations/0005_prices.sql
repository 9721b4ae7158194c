-- Up Migration

alter table price
  add column client_id text,
  add column effective_to timestamptz,
  -- What is not the default of the domain: thresholds, windows, fees, the whole that it is a part of, provenance.
  add column terms jsonb not null default '{}',
  add check (effective_to > effective_from);

-- The price of a resource for a client at a moment, as the domain's JSON; null where it has none. The newest in force
-- of the client goes before the newest in force of all.
create function price_in_force(wanted text, for_client text, at timestamptz) returns jsonb
language sql stable as $$
  select jsonb_build_object(
    'id', id, 'resourceId', resource_id, 'perUnitUsd', trim_scale(per_unit_usd)::text, 'source', source,
    'effectiveFromMs', (extract(epoch from effective_from) * 1000)::bigint,
    'effectiveToMs', (extract(epoch from effective_to) * 1000)::bigint,
    'clientId', client_id) || terms
  from price
  where resource_id = wanted and effective_from <= at and (effective_to is null or at < effective_to)
    and (client_id is null or client_id = for_client)
  order by client_id is null, effective_from desc, id desc
  limit 1
$$;
drop function price_in_force(text, timestamptz);

-- What the lines were priced at: a threshold or an hour may have another rate than its row.
alter table cost_line
  add column per_unit_usd numeric(24, 15) check (per_unit_usd >= 0),
  add column free_units bigint not null default 0,
  add check (kind = 'correction' or free_units between 0 and coalesce(units, 0));
update cost_line l set per_unit_usd = p.per_unit_usd from price p where p.id = l.price_id;

-- Units that a price gave away in a calendar month, over all requests; '' where the price is of all clients.
create table allowance (
  resource_id text not null,
  client_id text not null,
  starts_at timestamptz not null,
  free_units bigint not null default 0 check (free_units between 0 and 9007199254740991),
  primary key (resource_id, client_id, starts_at)
);

-- Down Migration

drop table allowance;
alter table cost_line drop column free_units, drop column per_unit_usd;
create function price_in_force(wanted text, at timestamptz) returns jsonb
language sql stable as $$
  select jsonb_build_object(
    'id', id, 'resourceId', resource_id, 'perUnitUsd', trim_scale(per_unit_usd)::text, 'source', source,
    'effectiveFromMs', (extract(epoch from effective_from) * 1000)::bigint)
  from price
  where resource_id = wanted and effective_from <= at
  order by effective_from desc, id desc
  limit 1
$$;
drop function price_in_force(text, text, timestamptz);
alter table price drop column terms, drop column effective_to, drop column client_id;
