// Virtual time: what is due is done in the order of its time, and what is due at the same time in the order it was
// asked for. The clock stands still while something is done.

import { Heap } from 'heap-js'

export type Agenda = {
  /** Whole microseconds since the epoch: the clock of the simulated providers. */
  readonly nowUs: number
  /** The same in whole milliseconds, rounded down: the clock of the limiter. */
  readonly nowMs: number
  /** Due at `atMs`, which may have a fraction, or now where that has passed. */
  at(atMs: number, act: () => void): void
  /** Does what is due until then, and sets the clock. */
  runUntil(endMs: number, onStep: () => void): void
}

type Due = { readonly atUs: number; readonly order: number; readonly act: () => void }

export function openAgenda(startMs: number): Agenda {
  const due = new Heap<Due>((a, b) => (a.atUs === b.atUs ? a.order - b.order : a.atUs - b.atUs))
  let nowUs = startMs * 1_000
  let order = 0

  return {
    get nowUs() {
      return nowUs
    },
    get nowMs() {
      return Math.floor(nowUs / 1_000)
    },
    at(atMs, act) {
      due.push({ atUs: Math.max(nowUs, Math.round(atMs * 1_000)), order: (order += 1), act })
    },
    runUntil(endMs, onStep) {
      for (let next = due.peek(); next !== undefined && next.atUs <= endMs * 1_000; next = due.peek()) {
        due.pop()
        nowUs = next.atUs
        next.act()
        onStep()
      }
      nowUs = endMs * 1_000
    },
  }
}
