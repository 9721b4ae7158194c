// Looks at the requests until all of them have ended.

import { setTimeout as delay } from 'node:timers/promises'
import { isFinal, REQUEST_STATES, type RequestState } from '../../domain/request.ts'
import type { ApiClient } from './api-client.ts'
import { execution, executions, type Execution } from './answers.ts'
import { CLIENTS } from './casting.ts'

const PAGE = 200
const READ_OPEN_MAX = 8
const POLL_MS_MIN = 2_000
/** Looking takes at most this part of the time, so that it does not become the load. */
const POLL_SHARE = 0.1

/** The latest state known of every request. */
export type Followed = Map<string, string>

/**
 * Resolves when every expected request is final, or at `untilMs` (of performance.now()). `seen` is kept up to date
 * meanwhile.
 */
export async function followAll(
  api: ApiClient,
  options: {
    expected: () => { readonly ids: ReadonlySet<string>; readonly isComplete: boolean }
    seen: Followed
    untilMs: () => number
  },
): Promise<void> {
  const { expected, seen, untilMs } = options
  for (;;) {
    const beganMs = performance.now()
    for (const { id } of CLIENTS)
      await lookAt(api, { clientId: id, seen, isOurs: (r) => expected().ids.has(r) })
    const { ids, isComplete } = expected()
    const ended = [...ids].filter((id) => isEnded(seen.get(id)))
    if (isComplete && ended.length === ids.size) return
    if (performance.now() > untilMs()) return
    const tookMs = performance.now() - beganMs
    await delay(Math.max(POLL_MS_MIN, tookMs / POLL_SHARE))
  }
}

export function isEnded(state: string | undefined): boolean {
  return REQUEST_STATES.includes(state as RequestState) && isFinal(state as RequestState)
}

/** Everything about the requests, in no order. */
export async function readExecutions(
  api: ApiClient,
  requestIds: Iterable<string>,
): Promise<readonly Execution[]> {
  const found: Execution[] = []
  const queue = [...requestIds].values()
  const reader = async (): Promise<void> => {
    for (const id of queue) found.push(execution.parse(await api.get(`/api/execution/${id}`)))
  }
  await Promise.all(Array.from({ length: READ_OPEN_MAX }, reader))
  return found
}

/** All of a client's requests that are ours; pages with none of them are older replays'. */
async function lookAt(
  api: ApiClient,
  { clientId, seen, isOurs }: { clientId: string; seen: Followed; isOurs: (requestId: string) => boolean },
): Promise<void> {
  let cursor: string | null = null
  do {
    const page: string = cursor === null ? '' : `&cursor=${encodeURIComponent(cursor)}`
    const found = executions.parse(await api.get(`/api/executions?clientId=${clientId}&limit=${PAGE}${page}`))
    const ours = found.items.filter(({ requestId }) => isOurs(requestId))
    for (const { requestId, state } of ours) seen.set(requestId, state)
    cursor = ours.length === 0 ? null : found.cursor
  } while (cursor !== null)
}
