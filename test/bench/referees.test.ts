// nginx as a referee for a few seconds, where it is there already: no test fetches it.

import { expect, test } from 'vitest'

import { presentProgram } from '../../bench/referees/debian.ts'
import { drive } from '../../bench/referees/drive.ts'
import { startNginx } from '../../bench/referees/nginx.ts'
import { core, usualBucket, type Pacer } from '../../bench/referees/pacer.ts'
import { randomFrom } from '../../simulator/virtual/random.ts'

const nginx = presentProgram('nginx')
const LIMIT = { perMinute: 6_000, capacity: 50 }
const JITTER_MS = 250
const FOR_MS = 4_000

async function contest(pacer: Pacer) {
  if (nginx === null) throw new Error('nginx is not there')
  const referee = await startNginx(nginx, LIMIT)
  const random = randomFrom(1, 'referees test')
  const driven = await drive({ pacer, call: referee.call, forMs: FOR_MS, addedMs: 200, wayMs: 20, random })
  const decisions = await referee.stop()
  const rejected = decisions.filter(({ isAdmitted }) => !isAdmitted).length
  return { ...driven, arrived: decisions.length, rejected }
}

test.skipIf(nginx === null)(
  'nginx rejects no call that comes within the jitter that its bucket is mirrored for',
  async () => {
    const limits = [
      {
        type: 'token-bucket',
        capacity: LIMIT.capacity,
        refillUnits: LIMIT.perMinute,
        refillMs: 60_000,
      } as const,
    ]
    const { sent, arrived, rejected, failures, late } = await contest(core({ limits, jitterMs: JITTER_MS }))
    expect({ arrived, failures }).toEqual({ arrived: sent, failures: 0 })
    // A machine that is busy with other things makes calls late; each of them can push out one other.
    expect(rejected).toBeLessThanOrEqual(late)
    // Use is the benchmark's to judge; here it is that calls were made at all.
    expect(arrived).toBeGreaterThan((LIMIT.perMinute / 60_000) * FOR_MS * 0.5)
  },
)

test.skipIf(nginx === null)('nginx catches a bucket that holds a whole minute', async () => {
  const { rejected } = await contest(usualBucket({ capacity: 600, perMinute: LIMIT.perMinute }))
  expect(rejected).toBeGreaterThan(100)
})
