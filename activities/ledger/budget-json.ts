// A budget with all that belongs to it, as JSON: the one list of its columns.

import type { Queries } from './database.ts'
import type { Fragment } from './statement.ts'

/**
 * Of the row `b` of the table `budget`; read by `budgetFromRow` (rows.ts). Additions that had ended at `since` are left
 * out; `life` is the beginning of a carve-out's life, default: of its present one.
 */
export function budgetJson(sql: Queries, since: string | Fragment, life?: Fragment): Fragment {
  const epochMs = (time: Fragment) => sql`(extract(epoch from ${time}) * 1000)::bigint`
  const lives = sql`(a.until_at is null or a.until_at > ${since})`
  return sql`jsonb_build_object(
    'id', b.id, 'scope', b.scope, 'depth', b.depth, 'unit', b.unit, 'period', b.period, 'timezone', b.timezone,
    'source', b.source, 'amount', b.amount, 'enforcement', b.enforcement, 'graceMs', b.grace_ms,
    'overageMultiplier', b.overage_multiplier::text, 'overageMax', b.overage_max, 'windowMs', b.window_ms,
    'thresholds', b.thresholds, 'carvedFrom', b.carved_from, 'givenAtMs', ${epochMs(sql`b.given_at`)},
    'raises', (select jsonb_agg(jsonb_build_object(
                 'id', a.id, 'kind', a.kind, 'amount', a.amount, 'fromMs', ${epochMs(sql`a.from_at`)},
                 'untilMs', ${epochMs(sql`a.until_at`)}) order by a.from_at, a.id)
               from addition a where a.budget_id = b.id and a.kind <> 'credit' and ${lives}),
    'credits', (select jsonb_agg(jsonb_build_object(
                  'id', a.id, 'budgetId', c.id, 'priority', a.priority, 'amount', a.amount,
                  'untilMs', ${epochMs(sql`a.until_at`)}))
                from addition a join budget c on c.credit_id = a.id where a.budget_id = b.id and ${lives}),
    'above', (select jsonb_agg(jsonb_build_object(
                'budgetId', o.from_budget_id, 'startsAtMs', ${epochMs(sql`o.from_starts_at`)}))
              from carve_out o where o.budget_id = b.id and o.starts_at = ${life ?? sql`b.given_at`}))`
}
