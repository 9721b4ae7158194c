// The sample request of a start: sent through REST as any client would, followed to its end, and told.

import { randomBytes } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'

import type { Console } from './local/console.ts'

const CLIENT = 'demo'
const FOLLOW_MS = 20_000
const POLL_MS = 100
const ENDED = new Set(['completed', 'failed', 'cancelled', 'expired', 'refused'])

const WORK = { sleepMs: 50, costUsd: '0.0012', output: { greeting: 'hello' } }

export async function sendSampleRequest(options: {
  url: string
  adminKey: string
  console: Console
}): Promise<void> {
  const { url, adminKey, console } = options
  const call = async (method: string, path: string, body?: unknown): Promise<Record<string, unknown>> => {
    const answer = await fetch(url + path, {
      method,
      headers: { authorization: `Bearer ${adminKey}`, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(FOLLOW_MS),
    })
    const text = await answer.text()
    if (!answer.ok) throw new Error(`${method} ${path} answered ${answer.status}: ${text.slice(0, 500)}`)
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? { ...value } : {}
  }
  try {
    await call('PUT', `/api/clients/${CLIENT}`, { tier: 'standard' })
    const requestId = `sample-${randomBytes(6).toString('hex')}`
    const began = Date.now()
    await call('POST', '/api/execute', sampleRequest(requestId))
    for (;;) {
      const request = await call('GET', `/api/execution/${requestId}`)
      if (ENDED.has(String(request['state']))) return tell(request, { tookMs: Date.now() - began, console })
      if (Date.now() - began > FOLLOW_MS) throw new Error(`it is still ${String(request['state'])}`)
      await delay(POLL_MS)
    }
  } catch (error) {
    console.warn(
      `the sample request did not get through: ${error instanceof Error ? error.message : String(error)}`,
    )
  }
}

/** A command line that sends the next request. */
export function nextRequestLine(url: string, key: string): string {
  const { requestId: _, ...body } = sampleRequest('')
  return [
    `next         curl -s ${url}/api/execute -H "Authorization: Bearer ${key}" \\`,
    `               -H 'Content-Type: application/json' -d '${JSON.stringify(body)}'`,
  ].join('\n')
}

function sampleRequest(requestId: string): { requestId: string } & Record<string, unknown> {
  return { requestId, clientId: CLIENT, worker: 'echo', action: 'work', input: WORK }
}

function tell(
  request: Record<string, unknown>,
  { tookMs, console }: { tookMs: number; console: Console },
): void {
  const cost = request['cost']
  const actual =
    typeof cost === 'object' && cost !== null && 'actualUsd' in cost ? String(cost.actualUsd) : 'unknown'
  console.say(
    `sample request ${String(request['requestId'])}: ${String(request['state'])} after ${tookMs} ms, ` +
      `cost ${actual} USD, output ${JSON.stringify(request['output'])}`,
  )
}
