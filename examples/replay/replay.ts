// One replay from end to end: set up, send, follow, and add up what came of it.

import { check } from '../../simulator/checker.ts'
import { entrySchema, type Arrival, type Entry } from '../../simulator/log.ts'
import type { ApiClient } from './api-client.ts'
import { simulatorHealth, type Execution } from './answers.ts'
import { changeOf, readBooks, sumCosts } from './books.ts'
import { CAST, castClients, CLIENTS } from './casting.ts'
import {
  addUp,
  arrivalCharges,
  arrivalsOf,
  backlogOf,
  countStates,
  grantCharges,
  useOfLimit,
  waitOf,
  waitsByTier,
  type Backlog,
} from './figures.ts'
import { followAll, isEnded, readExecutions, type Followed } from './follow.ts'
import { MODEL, planReplay, RESOURCE, type ReplayPlan } from './plan.ts'
import { sendAll, type Sent } from './send.ts'
import { setUp } from './set-up.ts'
import type { TraceRow } from './trace.ts'
import type { Outcome, Uses } from './verdict.ts'

/** After the time that the limit itself needs, a request that has not ended is given up. */
const PATIENCE = 3
const PATIENCE_MS = 120_000

export type Progress = {
  readonly sent: number
  readonly ended: number
  readonly rows: number
  readonly seconds: number
}

export async function replay(options: {
  api: ApiClient
  rows: readonly TraceRow[]
  speed: number
  seed: number
  runId: string
  /** Told once, before the first request. */
  onPlan: (plan: ReplayPlan) => void
  /** The latest figures, whenever they are asked for. */
  onStart: (progress: () => Progress) => void
}): Promise<Outcome & { readonly refused: Sent['refused'] }> {
  const { api, rows, speed, runId } = options
  const plan = planReplay({ rows, clients: castClients(rows.length, options.seed), speed, runId })
  options.onPlan(plan)
  const { simulatorUrl } = await setUp(api, { bucket: plan.bucket, requests: rows.length })
  const before = await readBooks(api)
  const logBefore = simulatorHealth.parse(await (await fetch(`${simulatorUrl}/health`)).json()).lastSeq

  const beganMs = performance.now()
  const sent: Sent = { accepted: 0, refused: [] }
  const seen: Followed = new Map()
  const ids = new Set(plan.requests.map(({ requestId }) => requestId))
  const elapsed = (): number => (performance.now() - beganMs) / 1_000
  options.onStart(() => ({
    sent: sent.accepted + sent.refused.length,
    ended: [...seen.values()].filter(isEnded).length,
    rows: ids.size,
    seconds: elapsed(),
  }))

  let untilMs = Infinity
  const sending = sendAll(api, { requests: plan.requests, sent }).then(() => {
    for (const { requestId } of sent.refused) ids.delete(requestId)
    untilMs =
      performance.now() + PATIENCE_MS + (PATIENCE * 1_000 * plan.demandTokens) / plan.bucket.refillUnits
  })
  const following = followAll(api, {
    seen,
    untilMs: () => untilMs,
    expected: () => ({ ids, isComplete: untilMs < Infinity }),
  })
  await Promise.all([sending, following])
  const secondsTaken = elapsed()

  const executions = await readExecutions(api, ids)
  const accepted = executions.map(({ requestId }) => requestId)
  const entries = await readLog(simulatorUrl, logBefore)
  const arrivals = arrivalsOf(entries, `openai/${MODEL}`)
  const backlog = backlogOf(executions.flatMap((execution) => waitOf(execution) ?? []))
  return {
    rows: rows.length,
    accepted: sent.accepted,
    refused: sent.refused,
    states: countStates(executions),
    unfinished: executions.filter(({ state }) => !isEnded(state)).length,
    provider: {
      calls: arrivals.length,
      rejected: arrivals.filter(({ decision }) => decision === 'rejected').length,
      violations: check(arrivals, scenarioFor(plan)).violations,
    },
    use: backlog === null ? null : usesOf({ executions, arrivals, backlog, plan }),
    backlogMs: backlog === null ? 0 : backlog.endedMs - backlog.beganMs,
    waits: waitsByTier(executions, { clients: CLIENTS, tiers: CAST.map(({ tier }) => tier) }),
    estimated: addUp(executions.flatMap(({ cost }) => cost.estimatedUsd ?? [])),
    costs: await sumCosts(api, accepted),
    budgets: changeOf(before, await readBooks(api)),
    tokens: {
      reserved: sumTokens(executions, ({ resources }) => resources.reserved),
      settled: sumTokens(executions, ({ resources }) => resources.actual ?? {}),
    },
    seconds: secondsTaken,
  }
}

function usesOf({
  executions,
  arrivals,
  backlog,
  plan: { bucket },
}: {
  executions: readonly Execution[]
  arrivals: readonly Arrival[]
  backlog: Backlog
  plan: ReplayPlan
}): Uses {
  const arrived = arrivalCharges(arrivals)
  const lastMs = arrived.reduce((last, { atMs }) => Math.max(last, atMs), backlog.endedMs)
  return {
    granted: useOfLimit(grantCharges(executions, RESOURCE.tokens), { bucket, backlog }),
    arrived: useOfLimit(arrived, { bucket, backlog: { ...backlog, endedMs: lastMs } }),
  }
}

function sumTokens(
  executions: readonly Execution[],
  unitsOf: (execution: Execution) => Readonly<Record<string, number>>,
): number {
  return executions.reduce((sum, execution) => sum + (unitsOf(execution)[RESOURCE.tokens] ?? 0), 0)
}

/** The referee starts with a full bucket, which the provider's may not have been: it can only be too lenient. */
function scenarioFor({ bucket }: ReplayPlan): Parameters<typeof check>[1] {
  const limit = { type: 'token-bucket', dimension: 'tokens', ...bucket } as const
  return {
    name: 'replay',
    groups: [
      {
        account: 'openai',
        family: MODEL,
        style: 'openai',
        charge: 'prompt-plus-max-tokens',
        chargeRejected: true,
        refund: 'none',
        latencyMs: 0,
        limits: [limit],
      },
    ],
  }
}

async function readLog(simulatorUrl: string, after: number): Promise<readonly Entry[]> {
  const response = await fetch(`${simulatorUrl}/admin/log?after=${after}`)
  const lines = (await response.text()).split('\n').filter((line) => line !== '')
  return lines.map((line) => entrySchema.parse(JSON.parse(line)))
}
