// npm run replay -- FILE: sends a real workload trace through REST and the whole running system to the simulated
// provider, and prints what came of it. Exit code 1 where anything was lost, 2 where it could not be tried.

import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Command, InvalidArgumentError } from 'commander'
import { ZodError } from 'zod'
import { ApiClient } from './api-client.ts'
import { CAST } from './casting.ts'
import type { ReplayPlan } from './plan.ts'
import { replay, type Progress } from './replay.ts'
import { parseTrace } from './trace.ts'
import { describe, losses } from './verdict.ts'

const PROGRESS_MS = 1_000
/** Where lines cannot be overwritten, only every so many are printed. */
const PROGRESS_EVERY = 5
const REFUSED_SHOWN_MAX = 5

type Options = {
  readonly speed: number
  readonly limit?: number
  readonly tiers: number
  readonly url: string
  readonly key?: string
}

const command = new Command('replay')
  .description('Sends a workload trace (TIMESTAMP,ContextTokens,GeneratedTokens) through the running system.')
  .argument('<file>', 'trace, such as examples/data/azure-llm-conv-1000.csv')
  .option('--speed <n>', 'how many times faster than it was', positive, 10)
  .option('--limit <n>', 'rows to send', count)
  .option('--tiers <seed>', 'seed that draws clients and tiers, which the trace does not have', count, 1)
  .option('--url <url>', 'the running system', 'http://127.0.0.1:3000')
  .option('--key <key>', 'admin key; default: RM_ADMIN_KEY, or the file admin-key of the data folder')
  .action(async (file: string, options: Options) => {
    try {
      process.exitCode = await run(file, options)
    } catch (error) {
      console.error(describeError(error))
      process.exitCode = 2
    }
  })
await command.parseAsync()

async function run(file: string, { speed, limit, tiers, url, key }: Options): Promise<number> {
  const rows = parseTrace(readFileSync(file, 'utf8'), limit)
  if (rows.length === 0) throw new Error(`${file} has no rows`)
  const api = new ApiClient({ url, key: key ?? findKey() })
  let stopShowing = (): void => undefined
  const outcome = await replay({
    api,
    rows,
    speed,
    seed: tiers,
    runId: Date.now().toString(36),
    onPlan: (plan) => console.log(describePlan(plan, { rows: rows.length, speed, seed: tiers })),
    onStart: (progress) => (stopShowing = show(progress)),
  }).finally(() => stopShowing())

  console.log(describe(outcome))
  for (const { requestId, reason } of outcome.refused.slice(0, REFUSED_SHOWN_MAX)) {
    console.log(`not accepted: ${requestId}: ${reason}`)
  }
  const lost = losses(outcome)
  for (const line of lost) console.log(`LOST: ${line}`)
  if (lost.length === 0) console.log('nothing lost')
  return lost.length === 0 ? 0 : 1
}

function describePlan(
  { bucket, demandTokens, requests }: ReplayPlan,
  { rows, speed, seed }: { rows: number; speed: number; seed: number },
): string {
  const sentSeconds = (requests.at(-1)?.sendAtMs ?? 0) / 1_000
  const shares = CAST.map(({ tier, share, clients }) => `${share} % ${tier} (${clients})`).join(', ')
  return [
    `${rows} rows in ${sentSeconds.toFixed(1)} s (${speed} times as fast as they came), ${demandTokens} tokens asked for`,
    `limit: ${bucket.refillUnits} tokens a second, bucket of ${bucket.capacity}`,
    `tiers and clients are not in the trace; drawn from seed ${seed}: ${shares}`,
  ].join('\n')
}

/** Shows the progress every second; returns what ends it. */
function show(progress: () => Progress): () => void {
  const isTerminal = process.stdout.isTTY
  let ticks = 0
  const timer = setInterval(() => {
    ticks += 1
    const { sent, ended, rows, seconds } = progress()
    const line = `${seconds.toFixed(0)} s: ${sent} of ${rows} sent, ${ended} ended`
    if (isTerminal) process.stdout.write(`\r\u001B[K${line}`)
    else if (ticks % PROGRESS_EVERY === 0) console.log(line)
  }, PROGRESS_MS)
  return () => {
    clearInterval(timer)
    if (isTerminal) process.stdout.write('\r\u001B[K')
  }
}

function findKey(): string {
  const given = process.env['RM_ADMIN_KEY']
  if (given !== undefined && given !== '') return given
  const file = join(process.env['RM_DATA_DIR'] ?? '.data', 'admin-key')
  if (!existsSync(file))
    throw new Error(`no key: neither --key nor RM_ADMIN_KEY is given, and there is no ${file}`)
  return readFileSync(file, 'utf8').trim()
}

/** One line; an answer that is not as expected is told by its members. */
function describeError(error: unknown): string {
  if (error instanceof ZodError) {
    const faults = error.issues.map(({ path, message }) => `/${path.join('/')}: ${message}`)
    return `the system answered something else than expected: ${faults.join('; ')}`
  }
  return error instanceof Error ? error.message : String(error)
}

function positive(text: string): number {
  const value = Number(text)
  if (!(value > 0) || !Number.isFinite(value)) throw new InvalidArgumentError('expected a number above 0')
  return value
}

function count(text: string): number {
  const value = Number(text)
  if (!Number.isSafeInteger(value) || value < 1)
    throw new InvalidArgumentError('expected a whole number from 1')
  return value
}
