// Sends the planned requests at their times, with a bound on how many are under way.

import { setTimeout as delay } from 'node:timers/promises'
import type { ApiClient } from './api-client.ts'
import { RESOURCE, WORKER, type PlannedRequest } from './plan.ts'

const OPEN_MAX = 32
const WAIT_MS_MAX = 86_400_000

export type Sent = {
  accepted: number
  readonly refused: { readonly requestId: string; readonly reason: string }[]
}

/** Resolves when every request was answered; `sent` is kept up to date meanwhile. */
export async function sendAll(
  api: ApiClient,
  { requests, sent }: { requests: readonly PlannedRequest[]; sent: Sent },
): Promise<void> {
  const beganMs = performance.now()
  const queue = requests.values()
  const sender = async (): Promise<void> => {
    for (const request of queue) {
      const waitMs = request.sendAtMs - (performance.now() - beganMs)
      if (waitMs > 0) await delay(waitMs)
      await sendOne(api, { request, sent })
    }
  }
  await Promise.all(Array.from({ length: OPEN_MAX }, sender))
}

async function sendOne(
  api: ApiClient,
  { request, sent }: { request: PlannedRequest; sent: Sent },
): Promise<void> {
  const { requestId, client, resources, input } = request
  try {
    const { status, body } = await api.call('POST', '/api/execute', {
      requestId,
      clientId: client.id,
      worker: WORKER,
      action: 'chat',
      input,
      resources,
      maxWaitMs: WAIT_MS_MAX,
      labels: { source: 'replay', tokens: String(resources[RESOURCE.tokens] ?? 0) },
    })
    if (status === 200 || status === 202) sent.accepted += 1
    else sent.refused.push({ requestId, reason: `${status} ${JSON.stringify(body).slice(0, 200)}` })
  } catch (error) {
    sent.refused.push({ requestId, reason: error instanceof Error ? error.message : String(error) })
  }
}
