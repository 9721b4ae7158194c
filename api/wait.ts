// Waiting for something to become true of a request: for its admission, for the limiter's word, for its end.

import type { Request } from 'express'
import { DECISION_TIMEOUT_MS, type ApiContext } from './context.ts'

const PREFER_WAIT_S_MAX = 30

/** Milliseconds that the client would wait for the end (`Prefer: wait=N`), 0 where it says nothing. */
export function preferredWaitMs(request: Request): number {
  const seconds = /(?:^|[,;\s])wait=(\d{1,4})(?=$|[,;\s])/i.exec(request.get('prefer') ?? '')?.[1]
  return seconds === undefined ? 0 : Math.min(PREFER_WAIT_S_MAX, Number(seconds)) * 1_000
}

/** What `read` gives as soon as it gives something after `act`; null where that takes too long. */
export async function decided<T>(
  context: ApiContext,
  id: string,
  { act, read }: { readonly act: () => Promise<void>; readonly read: () => Promise<T | null> },
): Promise<T | null> {
  const timeoutMs = context.decisionTimeoutMs ?? DECISION_TIMEOUT_MS
  return await context.announcements.waitAfter(id, act, { read, timeoutMs })
}
