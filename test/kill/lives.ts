// A process that makes lives of reservations, as fast as it can, until all are made. It is killed at any moment and
// started again with the ids that it did not say were done.

import { setTimeout as delay } from 'node:timers/promises'
import { admit } from '../../activities/ledger/admit.ts'
import { openDatabase } from '../../activities/ledger/database.ts'
import { recordEffects } from '../../activities/ledger/record-effects.ts'
import { release } from '../../activities/ledger/release.ts'
import type { ReservationAsk } from '../../domain/ask.ts'
import { NO_SCOPE } from '../../domain/scope.ts'
import type { Effect } from '../../limiter/effect.ts'

const CALLERS = 64
const RETRY_MS = 20
const TOKENS = 'gpt/tokens'
const NOON = Date.parse('2026-11-21T12:00:00.000Z')

const [url = '', list = '[]'] = process.argv.slice(2)
const ids = JSON.parse(list) as string[]
const sql = openDatabase(url, { max: 8 })

/** The same step again, under the same ids, until the database has answered. */
async function persist<T>(step: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await step()
    } catch {
      await delay(RETRY_MS)
    }
  }
}

function askOf(id: string, clientId: string): ReservationAsk {
  return {
    kind: 'reservation',
    id,
    bodyHash: 'hash',
    clientId,
    urgency: 'normal',
    scope: NO_SCOPE,
    maxWaitMs: null,
    resources: { [TOKENS]: 10 },
    costNanoUsd: null,
    ttlMs: 60_000,
  }
}

function grantOf(id: string): Effect {
  const [startByMs, expiresAtMs] = [NOON + 60_000, NOON + 60_000]
  return {
    kind: 'granted',
    id: `${id}#1`,
    atMs: NOON,
    startByMs,
    expiresAtMs,
    demand: [],
    waitedFor: null,
    configVersion: 1,
  }
}

async function live(id: string): Promise<void> {
  const clientId = `client-${Number(id) % 10}`
  const { kind } = await persist(() => admit(sql, askOf(id, clientId), NOON))
  if (kind === 'refused') throw new Error(`${id} was refused, and every budget has room`)
  await persist(() => recordEffects(sql, [grantOf(id)]))
  const given = { reservationId: id, actual: { [TOKENS]: Number(id) % 7 }, costNanoUsd: null } as const
  const released = await persist(() => release(sql, { ...given, outcome: 'success', contentHash: id }, NOON))
  if (released.kind !== 'settled') throw new Error(`${id} was not settled but ${released.kind}`)
  process.stdout.write(`${id}\n`)
}

await Promise.all(
  Array.from({ length: CALLERS }, async () => {
    for (let id = ids.pop(); id !== undefined; id = ids.pop()) await live(id)
  }),
)
await sql.end()
