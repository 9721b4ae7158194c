// What is sent when, and the limit that it meets.
//
// P1  A client asks for a round number of output tokens that holds what will be generated, because nobody knows before
//     the call how many there will be: the smallest of OUTPUT_SIZES.
// P2  The limit is chosen so that the trace at this speed passes it by OVERLOAD, but never so high that this machine
//     would be the bottleneck instead of the provider.

import type { Client } from './casting.ts'
import type { TraceRow } from './trace.ts'

export const MODEL = 'replay-gpt-4o-mini'
export const WORKER = 'chat_replayer'
export const RESOURCE = {
  tokens: `openai/${MODEL}/tokens`,
  input: `openai/${MODEL}/input-tokens`,
  output: `openai/${MODEL}/output-tokens`,
} as const
/** gpt-4o-mini: $0.15 and $0.60 per 1M tokens. */
export const PRICES = {
  [RESOURCE.tokens]: '0',
  [RESOURCE.input]: '0.00000015',
  [RESOURCE.output]: '0.0000006',
} as const
export const PRICE_SOURCE = '@pydantic/genai-prices 0.1.8, gpt-4o-mini, read 2026-11-20'

const OUTPUT_SIZES = [64, 128, 256, 512, 1_024, 2_048, 4_096]
const OVERLOAD = 1.5
const REQUESTS_PER_SECOND_MAX = 12
const BURST_SECONDS = 3
/**
 * From a grant to the provider, on a busy machine: a request that takes longer queues again. Against a bucket it costs
 * capacity, not rate.
 */
export const JITTER_MS = 20_000

export type PlannedRequest = {
  readonly requestId: string
  readonly client: Client
  /** After the start of the replay. */
  readonly sendAtMs: number
  readonly resources: Readonly<Record<string, number>>
  readonly input: { readonly promptTokens: number; readonly completionTokens: number }
}

export type Bucket = { readonly capacity: number; readonly refillUnits: number; readonly refillMs: number }

export type ReplayPlan = {
  readonly requests: readonly PlannedRequest[]
  readonly bucket: Bucket
  readonly demandTokens: number
}

export function planReplay(options: {
  rows: readonly TraceRow[]
  clients: readonly Client[]
  speed: number
  runId: string
}): ReplayPlan {
  const { rows, clients, speed, runId } = options
  const requests = rows.flatMap((row, index) => {
    const client = clients[index]
    if (client === undefined) return []
    const output = outputAsked(row.generatedTokens)
    return {
      requestId: `replay-${runId}-${index + 1}`,
      client,
      sendAtMs: Math.round(row.atMs / speed),
      resources: {
        [RESOURCE.tokens]: row.contextTokens + output,
        [RESOURCE.input]: row.contextTokens,
        [RESOURCE.output]: output,
      },
      input: { promptTokens: row.contextTokens, completionTokens: row.generatedTokens },
    }
  })
  const demands = requests.map(({ resources }) => resources[RESOURCE.tokens] ?? 0)
  const demandTokens = demands.reduce((sum, tokens) => sum + tokens, 0)
  const sentMs = requests.at(-1)?.sendAtMs ?? 0
  return { requests, demandTokens, bucket: bucketFor(demands, { demandTokens, sentMs }) }
}

function outputAsked(generated: number): number {
  return OUTPUT_SIZES.find((size) => size >= generated) ?? generated
}

function bucketFor(
  demands: readonly number[],
  { demandTokens, sentMs }: { demandTokens: number; sentMs: number },
): Bucket {
  const mean = demandTokens / Math.max(1, demands.length)
  const overloaded = demandTokens / OVERLOAD / Math.max(1, sentMs / 1_000)
  const perSecond = Math.max(1, Math.floor(Math.min(overloaded, mean * REQUESTS_PER_SECOND_MAX)))
  const largest = demands.reduce((most, tokens) => Math.max(most, tokens), 1)
  const burst = Math.max(largest, perSecond * BURST_SECONDS)
  return {
    capacity: burst + Math.ceil((perSecond * JITTER_MS) / 1_000),
    refillUnits: perSecond,
    refillMs: 1_000,
  }
}
