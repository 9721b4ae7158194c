// Empties the inbox of usage into the lines that are kept and the sums by hour, scope and day.
//
// H1  One statement takes lines out of the inbox, keeps them and adds them up: each is counted once, whoever dies.
// H2  Sums are changed in the order of their keys, so that two roll-ups at once wait for each other in no circle.

import type { Queries } from './database.ts'

const BATCH_MAX = 10_000

/** How many lines were taken, at most a batch of the oldest. */
export async function rollUpUsage(sql: Queries, batchMax = BATCH_MAX): Promise<number> {
  const [row] = await sql<[{ lines: number }]>`
    with taken as (
      delete from usage_inbox
      where id = any (array(select id from usage_inbox order by id limit ${batchMax} for update skip locked))
      returning *
    ), kept as (
      insert into usage_line
        (id, at, client_id, scope_path, template, worker, request_id, attempt, kind, resource, requests, units, cost)
      select id, at, client_id, scope_path, template, worker, request_id, attempt, kind, resource, requests, units, cost
      from taken
    ), hours as (
      insert into usage_hour as kept (client_id, at, template, worker, resource, requests, units, cost)
      select client_id, date_trunc('hour', at, 'UTC'), coalesce(template, ''), coalesce(worker, ''),
             coalesce(resource, ''), sum(requests), sum(units), sum(cost)
      from taken group by 1, 2, 3, 4, 5 order by 1, 2, 3, 4, 5
      on conflict (client_id, at, template, worker, resource) do update
      set requests = kept.requests + excluded.requests, units = kept.units + excluded.units,
          cost = kept.cost + excluded.cost
    ), scopes as (
      insert into usage_scope_hour as kept (client_id, at, scope_path, resource, requests, units, cost)
      select client_id, date_trunc('hour', at, 'UTC'), scope_path, coalesce(resource, ''),
             sum(requests), sum(units), sum(cost)
      from taken group by 1, 2, 3, 4 order by 1, 2, 3, 4
      on conflict (client_id, at, scope_path, resource) do update
      set requests = kept.requests + excluded.requests, units = kept.units + excluded.units,
          cost = kept.cost + excluded.cost
    ), days as (
      insert into usage_day as kept (client_id, at, resource, requests, units, cost)
      select client_id, date_trunc('day', at, 'UTC'), coalesce(resource, ''), sum(requests), sum(units), sum(cost)
      from taken group by 1, 2, 3 order by 1, 2, 3
      on conflict (client_id, at, resource) do update
      set requests = kept.requests + excluded.requests, units = kept.units + excluded.units,
          cost = kept.cost + excluded.cost
    )
    select count(*) as lines from taken`
  return row.lines
}
