// Recomputes every balance from the entries and cost lines alone, and tells each difference.
//
// Entries and cost lines are the truth; everything else that holds an amount is compared with them:
// X1  A period's balance is the sum of its entries, of what those carried forward that are no longer kept, and of what
//     it keeps for carve-outs.
// X2  A hold has its entry, and is open exactly until an entry gives it back whole.
// X3  A request's cost is the sum of its cost lines.
// X4  A USD budget and its credits were charged what the cost lines say, attempt by attempt.
// X5  A budget of units and its credits were charged what the attempts used.
// X6  A request that ended holds nothing, unless its use is unknown; one that is open holds all it took.
// X7  An allowance gave away what the cost lines say, and those that are no longer kept.
// X8  Usage is told line by line as it was booked: each request once, units by its attempts, cost by its cost lines.
// X9  The sums by hour, by scope and by day are those of the lines that are rolled up, for as long as these are kept.
// X10 A slice of a rolling budget is the sum of the use of the requests that were admitted in it.
// X11 No credit has given more than it is.
//
// Each rule adds up two sides per key, and tells the keys where they differ: one pass over each table.

import type { Queries } from './database.ts'

export type Difference = {
  /** The rule that does not hold. */
  readonly rule: 'X1' | 'X2' | 'X3' | 'X4' | 'X5' | 'X6' | 'X7' | 'X8' | 'X9' | 'X10' | 'X11'
  /** What it does not hold for, by its key. */
  readonly subject: string
  /** By the entries and cost lines. */
  readonly expected: string
  /** As it is kept. */
  readonly found: string
}

/** All differences, by rule; none where the books agree. One statement: it sees one moment. */
export async function checkLedger(sql: Queries): Promise<readonly Difference[]> {
  return await sql<Difference[]>`
    with charged_budget as (
      -- A credit is charged in place of its budget.
      select b.id, coalesce(a.budget_id, b.id) as of_id, b.unit from budget b left join addition a on a.id = b.credit_id
    ), used as (
      select a.request_id, used.key as resource, used.value::bigint as units
      from attempt a
      join request r on r.id = a.request_id and r.actual_cost is not null
      cross join jsonb_each_text(
        case a.use when 'reported' then a.consumed when 'unknown' then r.demand else '{}' end) as used
    ), usage as (
      select request_id, resource, requests, units, cost from usage_inbox
      union all
      select request_id, resource, requests, units, cost from usage_line
    ), summed_from (at) as (
      select lines_from from usage_kept
    ), side (rule, subject, is_kept, a, b, c) as (
      select 'X1', concat_ws(' ', 'period', h.budget_id, h.starts_at), false, e.held, e.used, e.surcharge
      from entry e join hold h using (request_id, admission, budget_id)
      union all
      select 'X1', concat_ws(' ', 'period', o.from_budget_id, o.from_starts_at), false,
             greatest(l.held, l.carved - l.used), 0, 0
      from carve_out o join budget_period l using (budget_id, starts_at)
      union all
      select 'X1', concat_ws(' ', 'period', budget_id, starts_at), false, 0, carried_used, carried_surcharge
      from budget_period
      union all
      select 'X1', concat_ws(' ', 'period', budget_id, starts_at), true, held, used, surcharge
      from budget_period

      union all
      select 'X2', concat_ws(' ', 'hold', request_id, admission, budget_id), false,
             case kind when 'hold' then held else 0 end, held, 0
      from entry
      union all
      select 'X2', concat_ws(' ', 'hold', request_id, admission, budget_id), true,
             amount, case when is_open then amount else 0 end, 0
      from hold

      union all
      select 'X3', concat_ws(' ', 'request', request_id), false, cost, 0, 0 from cost_line
      union all
      select 'X3', concat_ws(' ', 'request', id), true, coalesce(actual_cost, 0), 0, 0 from request

      union all
      select 'X4', concat_ws(' ', 'charge', l.request_id, l.attempt, l.kind, h.budget_id), false, l.cost, 0, 0
      from cost_line l
      join request r on r.id = l.request_id
      join hold h on h.request_id = l.request_id and h.admission = r.admission
      join budget b on b.id = h.budget_id and b.unit = 'USD' and b.credit_id is null
      union all
      select 'X4', concat_ws(' ', 'charge', request_id, attempt, kind, c.of_id), true, used, 0, 0
      from entry e join charged_budget c on c.id = e.budget_id and c.unit = 'USD'
      where attempt > 0

      union all
      select 'X5', concat_ws(' ', 'units', r.id, b.id), false, used.units, 0, 0
      from used
      join request r on r.id = used.request_id
      join hold h on h.request_id = r.id and h.admission = r.admission
      join budget b on b.id = h.budget_id and b.unit = used.resource and b.credit_id is null
      union all
      select 'X5', concat_ws(' ', 'units', request_id, c.of_id), true, used, 0, 0
      from entry e join charged_budget c on c.id = e.budget_id and c.unit <> 'USD'
      where attempt > 0

      union all
      select 'X6', concat_ws(' ', 'open', h.request_id, h.admission, h.budget_id), false,
             (r.admission = h.admission and r.actual_cost is null
              and (r.ended_at is null or r.outcome = 'unknown'))::integer, 0, 0
      from hold h join request r on r.id = h.request_id
      union all
      select 'X6', concat_ws(' ', 'open', request_id, admission, budget_id), true, is_open::integer, 0, 0
      from hold

      union all
      select 'X10', concat_ws(' ', 'slice', e.budget_id, to_timestamp(slice.ms * floor(a.ms / slice.ms) / 1000)),
             false, e.used, 0, 0
      from entry e
      join budget b on b.id = e.budget_id and b.window_ms > 0
      join request r on r.id = e.request_id,
      lateral (select ceil(b.window_ms / 60.0) as ms) as slice,
      lateral (select extract(epoch from r.created_at) * 1000 as ms) as a
      union all
      select 'X10', concat_ws(' ', 'slice', budget_id, starts_at), false, carried_used, 0, 0 from budget_slice
      union all
      select 'X10', concat_ws(' ', 'slice', budget_id, starts_at), true, used, 0, 0 from budget_slice

      union all
      select 'X11', concat_ws(' ', 'credit', b.id), true, greatest(0, p.used + p.held - b.amount), 0, 0
      from budget b join budget_period p on p.budget_id = b.id
      where b.source = 'credit'

      union all
      select 'X7', concat_ws(' ', 'allowance', p.resource_id, p.client_id), false, l.free_units, 0, 0
      from cost_line l join price p on p.id = l.price_id
      where l.free_units <> 0
      union all
      select 'X7', concat_ws(' ', 'allowance', resource_id, nullif(client_id, '')), false, carried_units, 0, 0
      from allowance
      union all
      select 'X7', concat_ws(' ', 'allowance', resource_id, nullif(client_id, '')), true, free_units, 0, 0
      from allowance

      union all
      select 'X8', concat_ws(' ', 'usage', id), false, (state <> 'refused')::integer, 0, 0 from request
      union all
      select 'X8', concat_ws(' ', 'usage', request_id, resource), false, 0, units, 0 from used
      union all
      select 'X8', concat_ws(' ', 'usage', request_id, nullif(item, '*')), false, 0, 0, cost from cost_line
      union all
      select 'X8', concat_ws(' ', 'usage', request_id, resource), true, requests, units, cost
      from usage where request_id in (select id from request)

      union all
      select 'X9', concat_ws(' ', 'hour', client_id, date_trunc('hour', at, 'UTC'), coalesce(template, ''),
                             coalesce(worker, ''), coalesce(resource, '')), false, requests, units, cost
      from usage_line
      union all
      select 'X9', concat_ws(' ', 'hour', client_id, at, template, worker, resource), true, requests, units, cost
      from usage_hour where at >= (select at from summed_from)
      union all
      select 'X9', concat_ws(' ', 'scope', scope_path, date_trunc('hour', at, 'UTC'), coalesce(resource, '')), false,
             requests, units, cost
      from usage_line
      union all
      select 'X9', concat_ws(' ', 'scope', scope_path, at, resource), true, requests, units, cost
      from usage_scope_hour where at >= (select at from summed_from)
      union all
      select 'X9', concat_ws(' ', 'day', client_id, date_trunc('day', at, 'UTC'), coalesce(resource, '')), false,
             requests, units, cost
      from usage_line
      union all
      select 'X9', concat_ws(' ', 'day', client_id, at, resource), true, requests, units, cost
      from usage_day where at >= (select at from summed_from)
    )
    select rule, subject,
           concat_ws(' ', sum(a) filter (where not is_kept), sum(b) filter (where not is_kept),
                     sum(c) filter (where not is_kept)) as expected,
           concat_ws(' ', sum(a) filter (where is_kept), sum(b) filter (where is_kept),
                     sum(c) filter (where is_kept)) as found
    from side
    group by rule, subject
    having sum(case when is_kept then a else -a end) <> 0
        or sum(case when is_kept then b else -b end) <> 0
        or sum(case when is_kept then c else -c end) <> 0
    order by rule, subject`
}
