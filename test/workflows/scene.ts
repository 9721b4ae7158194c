// The limiter workflow with its real core; its two edges, the ledger it loads from and the delivery, are the test's own.

import type { TestWorkflowEnvironment } from '@temporalio/testing'
import { Worker, type WorkflowBundleOption } from '@temporalio/worker'
import { pino } from 'pino'
import type { LimiterActivities } from '../../activities/limiter-activities.ts'
import { Operations } from '../../activities/operations.ts'
import type { Limit } from '../../domain/limit.ts'
import { RESOURCE_DEFAULTS, type Resource } from '../../domain/resource.ts'
import type { Effect } from '../../limiter/effect.ts'
import type { LimiterEvent } from '../../limiter/event.ts'
import { LIMITER_TASK_QUEUE, limiterWorkflowId, type LimiterOperation } from '../../workflows/messages.ts'

export const HOUR_MS = 3_600_000
export const slots = (count: number): Limit => ({ type: 'concurrency', slots: count, per: 'reservation' })

/** The server and the workflows' code of one test file. */
export type Stage = { readonly env: TestWorkflowEnvironment; readonly workflowBundle: WorkflowBundleOption }

export type Scene = {
  readonly group: string
  readonly operations: Operations
  /** In the order of delivery, repeats included. */
  readonly delivered: Effect[]
  readonly loads: number[]
  of<K extends Effect['kind']>(kind: K): Extract<Effect, { kind: K }>[]
  /** Runs of the workflow that have published. */
  readonly runs: ReadonlySet<string>
}

export type SceneOptions = {
  readonly limits: readonly Limit[]
  readonly historyEventsMax?: number
  /** Called before each delivery; may throw, to have it retried. */
  readonly beforeDelivery?: (effects: readonly Effect[]) => void
  readonly known?: readonly LimiterEvent[]
  /** Default: they do. */
  readonly areAnswersDelivered?: boolean
}

let scenes = 0

export async function withLimiter(
  { env, workflowBundle }: Stage,
  options: SceneOptions,
  body: (scene: Scene) => Promise<void>,
): Promise<void> {
  const group = `scene-${(scenes += 1)}`
  const delivered: Effect[] = []
  const loads: number[] = []
  const runs = new Set<string>()
  const gpt: Resource = { ...RESOURCE_DEFAULTS, id: 'gpt', unit: 'calls', limits: options.limits }
  const deliver = async (effects: readonly Effect[]): Promise<void> => {
    options.beforeDelivery?.(effects)
    delivered.push(...effects)
  }
  const activities: LimiterActivities = {
    deliver: ({ effects }) => deliver(effects),
    async loadLimiter() {
      loads.push(Date.now())
      const tiers = { basic: { points: 10, weight: 1 }, premium: { points: 30, weight: 3 } }
      const configure = {
        kind: 'configure',
        atMs: 0,
        version: 1,
        resources: { gpt },
        tiers,
        clients: {},
      } as const
      return [configure, ...(options.known ?? [])]
    },
  }
  const worker = await Worker.create({
    connection: env.nativeConnection,
    taskQueue: LIMITER_TASK_QUEUE,
    workflowBundle,
    activities,
    sinks: { limiter: { publish: { fn: (info) => void runs.add(info.runId) } } },
  })
  await worker.runUntil(async () => {
    const historyEventsMax = options.historyEventsMax ?? 1_000
    const scene: Scene = {
      group,
      operations: new Operations(env.client.workflow, {
        group,
        historyEventsMax,
        deliver: options.areAnswersDelivered === false ? neverDeliver : deliver,
        log: pino({ level: 'silent' }),
      }),
      delivered,
      loads,
      of: (kind) => delivered.filter((effect): effect is never => effect.kind === kind),
      runs,
    }
    try {
      await body(scene)
    } finally {
      await scene.operations.close()
      await env.client.workflow.getHandle(limiterWorkflowId(group)).terminate('the test has ended')
    }
  })
}

/** As a sender that dies with its answers. */
function neverDeliver(): Promise<void> {
  return new Promise(() => undefined)
}

export async function reserve(
  { env }: Stage,
  id: string,
  more: Partial<Extract<LimiterOperation, { kind: 'reserve' }>> = {},
) {
  const nowMs = await env.currentTimeMs()
  return {
    kind: 'reserve',
    id,
    clientId: 'acme',
    tier: 'basic',
    maxConcurrent: null,
    urgency: 'normal',
    demand: [['gpt', 1]],
    enqueuedAtMs: nowMs,
    waitUntilMs: nowMs + HOUR_MS,
    leaseMs: 24 * HOUR_MS,
    ...more,
  } as const satisfies LimiterOperation
}

export function ids(effects: readonly { readonly id: string }[]): string[] {
  return effects.map(({ id }) => id)
}
