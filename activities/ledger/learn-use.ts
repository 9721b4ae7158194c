// What calls use, learned from what they used: quantiles of the last ones of each template and worker.
//
// Q1  Only reported use of completed executions teaches; each of its attempts is a call.
// Q2  A subject is computed anew when one of its requests has ended since, from at most the last `REQUESTS_MAX`.

import type { LearnedUse } from '../../domain/estimate.ts'
import type { Queries } from './database.ts'

const REQUESTS_MAX = 200
const SUBJECTS_MAX = 100

/** How many subjects were computed. */
export async function learnUse(sql: Queries): Promise<number> {
  const [row] = await sql<[{ count: number }]>`
    with subject as (
      select learning_subject(id, null) as id from template
      union all
      select learning_subject(null, id) from worker
    ), due as (
      select s.id, last.newest
      from subject s
      cross join lateral (
        select max(ended_at) as newest from request
        where learning_subject(template, worker) = s.id and kind = 'execution' and state = 'completed') as last
      where last.newest > coalesce((select max(newest) from learned_use where subject = s.id), '-infinity')
      order by last.newest
      limit ${SUBJECTS_MAX}
    ), sample as (
      select due.id as subject, due.newest, used.key as resource_id, used.value::bigint as used,
             case when r.demand_from <> 'request' then (r.demand ->> used.key)::bigint end as reserved,
             case when used.key like '%/input-tokens' then r.input_tokens end as counted
      from due
      cross join lateral (
        select id, demand, demand_from, input_tokens from request
        where learning_subject(template, worker) = due.id and kind = 'execution' and state = 'completed'
        order by ended_at desc
        limit ${REQUESTS_MAX}) as r
      join attempt a on a.request_id = r.id and a.use = 'reported'
      cross join jsonb_each_text(a.consumed) as used
    ), learned as (
      insert into learned_use
        (subject, resource_id, samples, p50, p90, overhead_p90, error_percent_p50, error_percent_p90, newest)
      select subject, resource_id, count(*),
             percentile_disc(0.5) within group (order by used),
             percentile_disc(0.9) within group (order by used),
             percentile_disc(0.9) within group (order by used - counted),
             percentile_disc(0.5) within group (order by (reserved - used) * 100 / greatest(used, 1)),
             percentile_disc(0.9) within group (order by (reserved - used) * 100 / greatest(used, 1)),
             max(newest)
      from sample
      group by subject, resource_id
      on conflict (subject, resource_id) do update
      set samples = excluded.samples, p50 = excluded.p50, p90 = excluded.p90, overhead_p90 = excluded.overhead_p90,
          error_percent_p50 = excluded.error_percent_p50, error_percent_p90 = excluded.error_percent_p90,
          newest = excluded.newest
      returning subject
    )
    select count(distinct subject) as count from learned`
  return row.count
}

export type LearnedOf = LearnedUse & { readonly subject: string; readonly resourceId: string }

/** All that was learned, by subject and resource. */
export async function listLearned(sql: Queries): Promise<readonly LearnedOf[]> {
  return await sql<LearnedOf[]>`
    select subject, resource_id, samples, p50, p90, overhead_p90, error_percent_p50, error_percent_p90
    from learned_use order by subject, resource_id`
}
