// Postgres and the process that writes are killed, kill -9, again and again in the middle of 10,000 operations: after
// each the same ids go on, and in the end nothing is lost and nothing is counted twice. `npm run test:kill`.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterAll, expect, test } from 'vitest'
import { checkLedger } from '../../activities/ledger/check.ts'
import { openDatabase } from '../../activities/ledger/database.ts'
import { Ports } from '../../ops/local/ports.ts'
import { startPostgres, type LocalPostgres } from '../../ops/local/postgres.ts'
import * as f from '../ledger/fixture.ts'
import { eventually } from '../support/await-state.ts'

/** Each is three operations: admitted, granted, released. */
const LIVES = 3_400
/** One of the two is killed each time that this many more are done, in turns. */
const LIVES_BETWEEN_KILLS = 150
const PROGRAM = fileURLToPath(new URL('lives.ts', import.meta.url))

const folder = mkdtempSync(join(tmpdir(), 'resource-manager-kill-'))
let server: LocalPostgres | null = null
afterAll(async () => {
  await server?.stop()
  rmSync(folder, { recursive: true, force: true })
})

/** As `npm start` has it: nothing is given up for speed. */
async function start(port: number): Promise<LocalPostgres> {
  return await startPostgres({
    folder,
    record: join(folder, 'postgres.json'),
    logFile: join(folder, 'postgres.log'),
    ports: new Ports(),
    port,
    say: () => undefined,
  })
}

test('kill -9 of Postgres and of the writer at any moment: nothing lost, nothing doubled', async () => {
  server = await start(0)
  const ledger = await f.openLedgerAt(server.url)
  for (let nth = 0; nth < 10; nth += 1) {
    const id = `client-${nth}`
    await f.client(ledger, { id }, [f.hard(id, '1000'), f.hard(id, 10_000_000)])
  }
  await ledger.end()

  const left = new Set(Array.from({ length: LIVES }, (_, nth) => String(nth)))
  const kills = { postgres: 0, writer: 0 }
  while (left.size > 0) {
    const writer = spawn(process.execPath, [PROGRAM, server.url, JSON.stringify([...left])], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const ended = once(writer, 'exit')
    createInterface({ input: writer.stdout }).on('line', (id) => left.delete(id))
    const done = (): boolean => left.size === 0 || writer.exitCode !== null
    const goal = Math.max(0, left.size - LIVES_BETWEEN_KILLS)
    await eventually(() => left.size <= goal || done(), { timeoutMs: 120_000 })
    if (done()) break
    await killPostgres()
    kills.postgres += 1
    const next = Math.max(0, left.size - LIVES_BETWEEN_KILLS)
    await eventually(() => left.size <= next || done(), { timeoutMs: 120_000 })
    if (done()) break
    writer.kill('SIGKILL')
    kills.writer += 1
    await ended
  }
  await eventually(() => left.size === 0, { timeoutMs: 120_000 })

  const sql = openDatabase(server.url, { max: 2 })
  expect(await checkLedger(sql)).toEqual([])
  const [sums] = await sql`
    select (select count(*) from request where state = 'completed') as completed,
           (select count(*) from request) as requests,
           (select sum(held)::bigint from budget_period) as held,
           (select sum(used)::bigint from budget_period p join budget b on b.id = p.budget_id
            where b.unit = 'USD') as used,
           (select count(*) from attempt) as attempts`
  const tokens = Array.from({ length: LIVES }, (_, nth) => nth % 7).reduce((sum, one) => sum + one, 0)
  expect({ ...sums }).toEqual({
    completed: LIVES,
    requests: LIVES,
    held: 0,
    used: tokens * f.usd('0.001'),
    attempts: LIVES,
  })
  expect(kills.postgres).toBeGreaterThan(3)
  expect(kills.writer).toBeGreaterThan(3)
  process.stderr.write(
    `${LIVES * 3} operations, Postgres killed ${kills.postgres} times, the writer ${kills.writer} times\n`,
  )
  await sql.end()

  async function killPostgres(): Promise<void> {
    if (server === null) return
    const { child, port } = server
    const exited = child.exitCode === null ? once(child, 'exit') : null
    if (child.pid !== undefined) process.kill(child.pid, 'SIGKILL')
    await exited
    server = await start(port)
  }
})
