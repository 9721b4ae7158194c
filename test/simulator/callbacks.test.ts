// Text messages that are accepted first, sent at a rate, and reported to the address that their sender named.

import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { afterAll, expect, test } from 'vitest'
import { serve } from './stand-http.ts'

const queue = {
  type: 'queue-then-expire',
  dimension: 'segments',
  refillUnits: 1,
  refillMs: 100,
  ttlMs: 150,
}
const stand = await serve({
  twilio: { style: 'twilio', limits: [queue] },
  twice: {
    style: 'twilio',
    limits: [queue],
    failures: [{ kind: 'duplicate-delivery', perTenThousand: 10_000, stayPerTenThousand: 10_000 }],
  },
})

const reports: URLSearchParams[] = []
const listener = createServer((request: IncomingMessage, response) => {
  void text(request).then((body) => {
    reports.push(new URLSearchParams(body))
    response.end()
  })
})
listener.listen(0, '127.0.0.1')
await once(listener, 'listening')
afterAll(() => listener.close())
const { port } = listener.address() as AddressInfo

async function send(account: string): Promise<string> {
  const body = new URLSearchParams({
    To: '+15550100',
    Body: 'tides',
    StatusCallback: `http://127.0.0.1:${port}/status`,
  })
  const headers = { 'x-simulator-account': account }
  const response = await fetch(`${stand.url}/2010-04-01/Accounts/AC1/Messages.json`, {
    method: 'POST',
    headers,
    body,
  })
  expect(response.status).toBe(201)
  return ((await response.json()) as { sid: string }).sid
}

const told = (sids: readonly string[]) =>
  sids.map((sid) =>
    reports
      .filter((report) => report.get('MessageSid') === sid)
      .map((report) => [report.get('MessageStatus'), report.get('ErrorCode')]),
  )

test('nothing is refused: what waits too long fails later, and each fate is reported', async () => {
  const sids = [await send('twilio'), await send('twilio'), await send('twilio')]
  await expect.poll(() => told(sids)).toEqual([[['sent', null]], [['sent', null]], [['failed', '30036']]])
})

test('a report may come twice', async () => {
  const sid = await send('twice')
  await expect
    .poll(() => told([sid]))
    .toEqual([
      [
        ['sent', null],
        ['sent', null],
      ],
    ])
})
