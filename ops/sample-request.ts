// The sample request of a start: sent through REST as any client would, followed to its end, and told.

import { randomBytes } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'

import type { Console } from './local/console.ts'

const FOLLOW_MS = 20_000
const POLL_MS = 50
const OUTPUT_LENGTH_MAX = 160
const ENDED = new Set(['completed', 'failed', 'cancelled', 'expired', 'refused'])

/** Client and template of the default catalogue. */
const SAMPLE = { clientId: 'acme', template: 'research-topic', input: { topic: 'tides' } }

interface Execution {
  readonly requestId: string
  readonly state: string
  readonly worker: string
  readonly timeline: readonly { readonly state: string; readonly at: string }[]
  readonly resources: { readonly reserved: unknown; readonly actual: unknown }
  readonly cost: { readonly estimatedUsd: string | null; readonly actualUsd: string | null }
  readonly output: unknown
  readonly error: unknown
}

/** Sends one request and tells what happened to it; a failure is told too, and ends nothing. */
export async function sendSampleRequest(options: {
  url: string
  adminKey: string
  console: Console
}): Promise<void> {
  const { url, adminKey, console } = options
  const requestId = `sample-${randomBytes(6).toString('hex')}`
  const call = (path: string, body?: unknown): Promise<Response> =>
    fetch(url + path, {
      method: body === undefined ? 'GET' : 'POST',
      headers: { authorization: `Bearer ${adminKey}`, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(FOLLOW_MS),
    })
  try {
    const answer = await call('/api/execute', { requestId, ...SAMPLE })
    if (!answer.ok) {
      console.warn(`the sample request was answered ${answer.status}: ${await answer.text()}`)
      return
    }
    await answer.body?.cancel()
    const began = Date.now()
    for (;;) {
      const execution = (await (await call(`/api/execution/${requestId}`)).json()) as Execution
      if (ENDED.has(execution.state)) {
        tell(execution, console)
        return
      }
      if (Date.now() - began > FOLLOW_MS) throw new Error(`it is still ${execution.state}`)
      await delay(POLL_MS)
    }
  } catch (error) {
    console.warn(
      `the sample request did not get through: ${error instanceof Error ? error.message : String(error)}`,
    )
  }
}

/** A command line that sends the next request; `key` is what the shell shall put in for the key. */
export function nextRequestLine(url: string, key: string): string {
  return [
    `next          curl -s ${url}/api/execute -H "Authorization: Bearer ${key}" \\`,
    `                -H 'Content-Type: application/json' -d '${JSON.stringify(SAMPLE)}'`,
  ].join('\n')
}

function tell(execution: Execution, console: Console): void {
  const { requestId, state, worker, timeline, resources, cost, output, error } = execution
  const at = (wanted: string): number =>
    Date.parse(timeline.find((entry) => entry.state === wanted)?.at ?? '')
  const began = Date.parse(timeline[0]?.at ?? '')
  const waitedMs = at('granted') - at('waiting')
  const tookMs = Date.parse(timeline.at(-1)?.at ?? '') - began
  const result = JSON.stringify(state === 'completed' ? output : error) ?? 'nothing'
  console.say(`sample        ${requestId} by ${worker}: ${timeline.map((entry) => entry.state).join(' > ')}`)
  console.say(
    `  waited      ${Number.isNaN(waitedMs) ? 'not at all' : `${waitedMs} ms`}, ${tookMs} ms in all`,
  )
  console.say(
    `  used        ${JSON.stringify(resources.actual)} (reserved ${JSON.stringify(resources.reserved)})`,
  )
  console.say(`  cost        ${cost.actualUsd} USD (estimated ${cost.estimatedUsd} USD)`)
  console.say(
    `  answered    ${result.length > OUTPUT_LENGTH_MAX ? `${result.slice(0, OUTPUT_LENGTH_MAX)}…` : result}`,
  )
}
