// Drives a pacer in real time against a referee: grants are sent after a delay that is added on purpose, and the
// delay that comes by itself (timers, the way) is measured on top.
//
// R1  A grant's delay is counted from its `atMs` to the answer, which is later than the arrival: an upper bound.
// R2  The added delay goes up and down like a tide, with chance on top: while it falls, what was held back and what is
//     new arrive together, which is the worst that a delay of this size can do.
// R3  A grant that can no longer arrive by its `startByMs` is handed back unsent, as a worker has to.

import type { Random } from '../../simulator/virtual/random.ts'
import { quantile } from '../load.ts'
import type { Grant, Pacer } from './pacer.ts'

export type Drive = {
  readonly pacer: Pacer
  readonly call: () => Promise<boolean>
  readonly forMs: number
  /** Every grant is held back for 0 to this long. */
  readonly addedMs: number
  /** Kept free for the way itself: what is later than `startByMs` less this is handed back. */
  readonly wayMs: number
  readonly random: Random
}

export type Driven = {
  readonly sent: number
  readonly handedBack: number
  readonly failures: number
  /** Answered after their `startByMs`: more than the limiter was promised, so that each may cost one rejection. */
  readonly late: number
  readonly delayP50Ms: number
  readonly delayMaxMs: number
}

/** Whole milliseconds, rounded down, on a clock that does not go back. */
function nowMs(): number {
  return Math.floor(performance.timeOrigin + performance.now())
}

export async function drive({ pacer, call, forMs, addedMs, wayMs, random }: Drive): Promise<Driven> {
  const beganMs = nowMs()
  const endMs = beganMs + forMs
  const delays: number[] = []
  const open = new Set<Promise<void>>()
  const counts = { sent: 0, handedBack: 0, failures: 0, late: 0 }
  let timer: NodeJS.Timeout | undefined

  const send = async (grant: Grant): Promise<void> => {
    await pause(addedDelay(nowMs() - beganMs, { addedMs, random }))
    const isLate = nowMs() > grant.startByMs - wayMs
    if (isLate) counts.handedBack += 1
    else {
      counts.sent += 1
      await call().catch(() => (counts.failures += 1))
      delays.push(nowMs() - grant.atMs)
      if (nowMs() > grant.startByMs) counts.late += 1
    }
    if (nowMs() < endMs) take(pacer.over(grant, !isLate, nowMs()))
  }
  const take = (grants: readonly Grant[]): void => {
    for (const grant of grants) {
      const sending = send(grant).finally(() => open.delete(sending))
      open.add(sending)
    }
    const wakeAtMs = pacer.wakeMs(nowMs())
    clearTimeout(timer)
    if (wakeAtMs !== null) timer = setTimeout(wake, Math.max(0, wakeAtMs - nowMs()))
  }
  const wake = (): void => {
    if (nowMs() < endMs) take(pacer.grants(nowMs()))
  }

  wake()
  await pause(forMs)
  clearTimeout(timer)
  while (open.size > 0) await Promise.all(open)
  delays.sort((a, b) => a - b)
  return { ...counts, delayP50Ms: quantile(delays, 0.5), delayMaxMs: delays.at(-1) ?? 0 }
}

const TIDE_MS = 3_000
const TIDE_PART = 0.7

/** 0 to `addedMs`, highest at the beginning. */
function addedDelay(sinceMs: number, { addedMs, random }: Pick<Drive, 'addedMs' | 'random'>): number {
  const tide = (1 + Math.cos((2 * Math.PI * sinceMs) / TIDE_MS)) / 2
  return addedMs * (TIDE_PART * tide + (1 - TIDE_PART) * random.part())
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
