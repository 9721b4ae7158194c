// Recomputes every balance from the entries and cost lines alone, and tells each difference.
//
// Entries and cost lines are the truth; everything else that holds an amount is compared with them:
// X1  A period's balance is the sum of its entries.
// X2  A hold has its entry, and is open exactly until an entry gives it back whole.
// X3  A request's cost is the sum of its cost lines.
// X4  A USD budget was charged what the cost lines say, attempt by attempt.
// X5  A budget of units was charged what the attempts used.
// X6  A request that ended holds nothing, unless its use is unknown; one that is open holds all it took.

import type { Queries } from './database.ts'

export type Difference = {
  /** The rule that does not hold. */
  readonly rule: 'X1' | 'X2' | 'X3' | 'X4' | 'X5' | 'X6'
  /** A period, hold or request by its key. */
  readonly subject: string
  /** By the entries. */
  readonly expected: string
  /** As it is kept. */
  readonly found: string
}

/** All differences, by rule; none where the books agree. */
export async function checkLedger(sql: Queries): Promise<readonly Difference[]> {
  return await sql<Difference[]>`
    with entry_sum as (
      select h.budget_id, h.starts_at, sum(e.held) as held, sum(e.used) as used, sum(e.surcharge) as surcharge
      from entry e join hold h using (request_id, admission, budget_id)
      group by h.budget_id, h.starts_at
    ), periods as (
      select 'X1' as rule, concat_ws(' ', b.scope, b.unit, b.period, p.starts_at) as subject,
             concat_ws(' ', coalesce(s.held, 0), coalesce(s.used, 0), coalesce(s.surcharge, 0)) as expected,
             concat_ws(' ', p.held, p.used, p.surcharge) as found
      from budget_period p
      join budget b on b.id = p.budget_id
      left join entry_sum s using (budget_id, starts_at)
    ), holds as (
      select 'X2', concat_ws(' ', h.request_id, h.admission, h.budget_id),
             concat_ws(' ', sum(e.held) filter (where e.kind = 'hold'), coalesce(sum(e.held), 0)),
             concat_ws(' ', h.amount, case when h.is_open then h.amount else 0 end)
      from hold h left join entry e using (request_id, admission, budget_id)
      group by h.request_id, h.admission, h.budget_id
    ), costs as (
      select 'X3', r.id, coalesce(sum(l.cost), 0)::text, coalesce(r.actual_cost, 0)::text
      from request r left join cost_line l on l.request_id = r.id
      group by r.id
    ), line_sum as (
      select request_id, attempt, kind, sum(cost) as cost from cost_line group by request_id, attempt, kind
    ), charges as (
      select 'X4', concat_ws(' ', h.request_id, coalesce(l.attempt, e.attempt), coalesce(l.kind, e.kind), h.budget_id),
             coalesce(l.cost, 0)::text, coalesce(e.used, 0)::text
      from hold h
      join budget b on b.id = h.budget_id and b.unit = 'USD'
      join request r on r.id = h.request_id and r.admission = h.admission
      left join line_sum l on l.request_id = h.request_id
      full join (select e.* from entry e join budget b on b.id = e.budget_id and b.unit = 'USD'
                 where e.kind not in ('hold', 'release')) e
        on e.request_id = h.request_id and e.admission = h.admission and e.budget_id = h.budget_id
           and e.attempt = l.attempt and e.kind = l.kind
      where l.attempt is not null or e.attempt is not null
    ), unit_use as (
      select a.request_id, used.key as unit, sum(used.value::bigint) as units
      from request r
      join attempt a on a.request_id = r.id,
      jsonb_each_text(case a.use when 'reported' then a.consumed when 'unknown' then r.demand else '{}' end) as used
      where r.actual_cost is not null
      group by a.request_id, used.key
    ), units as (
      select 'X5', concat_ws(' ', h.request_id, h.admission, b.unit, h.budget_id),
             coalesce(max(u.units), 0)::text, coalesce(sum(e.used), 0)::text
      from hold h
      join budget b on b.id = h.budget_id and b.unit <> 'USD'
      join request r on r.id = h.request_id and r.admission = h.admission
      left join unit_use u on u.request_id = h.request_id and u.unit = b.unit
      left join entry e on e.request_id = h.request_id and e.admission = h.admission and e.budget_id = h.budget_id
      group by h.request_id, h.admission, b.unit, h.budget_id
    ), open_holds as (
      select 'X6', concat_ws(' ', r.id, h.budget_id),
             (r.admission = h.admission and r.actual_cost is null
              and (r.ended_at is null or r.outcome = 'unknown'))::text,
             h.is_open::text
      from hold h join request r on r.id = h.request_id
    )
    select * from (
      select * from periods union all select * from holds union all select * from costs
      union all select * from charges union all select * from units union all select * from open_holds
    ) as compared
    where expected is distinct from found
    order by rule, subject`
}
