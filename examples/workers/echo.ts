// `echo`: does what its input says, for tests and first steps. It sleeps, then answers with exactly that consumption,
// cost and output, or fails that way the first `times` attempts.

import { setTimeout as delay } from 'node:timers/promises'
import { z } from 'zod'
import { answer, badInput, type Outcome, type Report, type Work } from './call.ts'

const SLEEP_MS_MAX = 3_600_000
const REQUESTS_MAX = 10_000

const echoInput = z.strictObject({
  sleepMs: z.int().min(0).max(SLEEP_MS_MAX).default(0),
  consume: z.record(z.string(), z.int().min(0)).default({}),
  /** Left out, no cost is told: it is then units times price. */
  costUsd: z
    .string()
    .regex(/^\d{1,15}(\.\d{1,9})?$/, 'expected a decimal string such as "0.0315"')
    .optional(),
  fail: z.enum(['retryable', 'final', 'crash']).nullable().default(null),
  times: z.int().min(0).default(1),
  consumeOnFail: z.boolean().default(false),
  output: z.json().default(null),
})

export function echoWork(): Work {
  /** Failures so far, by request. */
  const failures = new Map<string, number>()

  return async ({ requestId, input }, signal) => {
    const parsed = echoInput.safeParse(input ?? {})
    if (!parsed.success) return badInput(parsed.error, '/input')
    const { sleepMs, consume, costUsd, fail, times, consumeOnFail, output } = parsed.data
    try {
      await delay(sleepMs, undefined, { signal })
    } catch {
      return answer(200, { status: 'failure', error: 'cancelled' })
    }
    const use = { resourcesConsumed: consume, ...(costUsd === undefined ? {} : { costUsd }) }
    const failed = failures.get(requestId) ?? 0
    if (fail === null || failed >= times) return answer(200, { status: 'success', output, ...use })
    remember(requestId, failed + 1)
    return failure(fail, consumeOnFail ? use : {})
  }

  function remember(requestId: string, count: number): void {
    failures.delete(requestId)
    failures.set(requestId, count)
    const [oldest] = failures.keys()
    if (failures.size > REQUESTS_MAX && oldest !== undefined) failures.delete(oldest)
  }
}

function failure(fail: 'retryable' | 'final' | 'crash', use: Partial<Report>): Outcome {
  switch (fail) {
    case 'crash':
      return { kind: 'crash' }
    case 'retryable':
      return answer(503, {
        status: 'failure',
        error: 'echo was told to fail for now',
        retryable: true,
        ...use,
      })
    case 'final':
      return answer(200, { status: 'failure', error: 'echo was told to fail for good', ...use })
    default:
      return fail satisfies never
  }
}
