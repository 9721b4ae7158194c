-- Up Migration

-- The price of a resource at a moment, as the domain's JSON; null where it has none.
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

-- Down Migration

drop function price_in_force;
