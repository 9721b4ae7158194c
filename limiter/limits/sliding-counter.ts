// Sliding counter: the current window's count plus the one before, weighted by how much of it is still within W.
//
// SC1  Its answer depends on when its windows begin. Where nobody knows, a grant must fit whatever that is: for every
//      boundary b, what may have arrived since b counts whole, what may have arrived in the W before b by its weight.
// SC2  A grant of g may arrive until g + J, so that it counts as after b where g >= b - J.
// SC3  The largest estimate over all boundaries lies at a charge, at W after a charge, or at the latest boundary; so
//      the answer is exact.
// SC4  Estimates are rounded up.
// SC5  A burst is counted for 2 W and comes back as an echo, so where the phase is unknown a bucket paces: a tenth of the
//      limit at once, then a little below its rate. More than that tenth waits for the bucket to be full, no longer.

import { multiplyDivide, multiplyDivideUp } from '../../domain/arithmetic.ts'
import { countsUnits, sizeOfLimit, type SlidingCounter, type TokenBucket } from '../../domain/limit.ts'
import { ChargeLog } from './charge-log.ts'
import { OBSERVED_MS_MAX, type RateMeter } from './meter.ts'
import { cyclesOf, firstTime } from './threshold.ts'
import { tokenBucket } from './token-bucket.ts'

/** Finer than other logs: what it counts longer than it needs is lost twice. */
const SLOTS_PER_WINDOW = 600
/** SC5: the part of the limit that may go at once, and the part by which the pace stays below it (at least 2 units). */
const BURST_DIVISOR = 10
const SLACK_DIVISOR = 250
/** Numbers that the bucket keeps, before the log's. */
const PACE_KEPT = 4

/** A boundary of the windows, seen J earlier, and what counts on its two sides. */
type Split = { readonly boundaryMs: number; readonly since: number; readonly before: number }

type Range = { readonly afterMs: number; readonly untilMs: number }

export function slidingCounter(
  limit: SlidingCounter,
  jitterMs: number,
  kept: readonly number[],
  atMs: number,
): RateMeter {
  const { units, windowMs } = limit
  const isBlind = limit.phaseMs === undefined
  const burst = Math.max(1, Math.floor(units / BURST_DIVISOR))
  const pace = tokenBucket(paceOf(limit, jitterMs, burst), 0, kept.slice(0, PACE_KEPT), atMs)
  const reachMs = 2 * windowMs + jitterMs
  const observedMs = Math.min(windowMs, OBSERVED_MS_MAX)
  const log = new ChargeLog(
    { keptMs: reachMs + observedMs, slotMs: windowMs / SLOTS_PER_WINDOW },
    kept.slice(PACE_KEPT),
  )

  function splitAt(boundaryMs: number): Split {
    const at = log.sumBefore(log.indexOf(boundaryMs))
    const from = log.sumBefore(log.indexOf(boundaryMs - windowMs))
    return { boundaryMs, since: log.sumBefore(log.end) - at, before: at - from }
  }

  /** Splits at every charge, or at W after it (`laterMs`), after `afterMs` and before `untilMs`: one walk along the log. */
  function walk({ afterMs, untilMs }: Range, laterMs: number, visit: (split: Split) => void): void {
    let at = log.indexOf(afterMs + 1)
    let from = log.indexOf(afterMs + 1 - windowMs)
    const total = log.sumBefore(log.end)
    for (let of = laterMs === 0 ? at : from; of < log.end; of += 1) {
      const boundaryMs = log.timeAt(of) + laterMs
      if (boundaryMs >= untilMs) return
      while (at < log.end && log.timeAt(at) < boundaryMs) at += 1
      while (from < at && log.timeAt(from) < boundaryMs - windowMs) from += 1
      const sum = log.sumBefore(at)
      visit({ boundaryMs, since: total - sum, before: sum - log.sumBefore(from) })
    }
  }

  /** Every split that may be the worst in a range of boundaries (SC3). */
  function eachSplit(range: Range, visit: (split: Split) => void): void {
    walk(range, 0, visit)
    walk(range, windowMs, visit)
  }

  /** Boundaries that may lie in the past at `whenMs`, by how much of the window before them still counts. */
  function boundariesAt(whenMs: number): Range {
    if (limit.phaseMs === undefined)
      return { afterMs: whenMs - jitterMs - windowMs, untilMs: whenMs - jitterMs }
    const boundaryMs = whenMs - modulo(whenMs - limit.phaseMs, windowMs) - jitterMs
    return { afterMs: whenMs - jitterMs - windowMs, untilMs: boundaryMs }
  }

  function estimateOf({ boundaryMs, since, before }: Split, whenMs: number): number {
    return since + multiplyDivideUp(before, boundaryMs + jitterMs + windowMs - whenMs, windowMs)
  }

  /** The last estimate: a charge at the same moment adds to it as it is. */
  let last = { whenMs: Number.NaN, estimate: 0 }

  function estimateAt(whenMs: number): number {
    if (last.whenMs !== whenMs) last = { whenMs, estimate: worstAt(whenMs) }
    return last.estimate
  }

  function worstAt(whenMs: number): number {
    const range = boundariesAt(whenMs)
    let most = estimateOf(splitAt(range.untilMs), whenMs)
    if (limit.phaseMs !== undefined) return most
    eachSplit(range, (split) => {
      most = Math.max(most, estimateOf(split, whenMs))
    })
    return most
  }

  /** Asked again and again while the same one waits and nothing is charged. */
  let asked = { most: 0, fromMs: 0, fitsMs: Number.NaN }

  function available(whenMs: number): number {
    const paced = isBlind ? pace.available(whenMs) : burst
    // What the pace holds back need not be estimated.
    if (paced <= 0) return paced
    const left = units - estimateAt(whenMs)
    return paced === burst ? left : Math.min(paced, left)
  }

  function earliest(need: number, whenMs: number): number {
    const { cycles, rest } = cyclesOf(need, units)
    const pacedMs = isBlind ? pace.earliest(Math.min(rest, burst), whenMs) : whenMs
    const [most, fromMs] = [units - rest, pacedMs ?? whenMs]
    if (Number.isNaN(asked.fitsMs) || asked.most !== most || asked.fromMs !== fromMs)
      asked = { most, fromMs, fitsMs: estimateAt(fromMs) <= most ? fromMs : firstFit(most, fromMs) }
    return asked.fitsMs + cycles * (windowMs + jitterMs)
  }

  function forget(): void {
    asked = { most: 0, fromMs: 0, fitsMs: Number.NaN }
    last = { whenMs: Number.NaN, estimate: 0 }
  }

  /** The first time from `whenMs` on at which the estimate is at most `most`. */
  function firstFit(most: number, whenMs: number): number {
    const emptyMs = (log.newestMs ?? whenMs) + reachMs
    if (limit.phaseMs !== undefined) return firstTime(whenMs, emptyMs, (timeMs) => estimateAt(timeMs) <= most)
    let fitsMs = firstTime(whenMs, emptyMs, (timeMs) => log.since(timeMs - jitterMs - windowMs) <= most)
    const range = { afterMs: whenMs - jitterMs - windowMs, untilMs: Number.POSITIVE_INFINITY }
    eachSplit(range, ({ boundaryMs, since, before }) => {
      // A boundary binds from J after it on, if it binds at all.
      if (since + before <= most) return
      const endMs = boundaryMs + jitterMs + windowMs
      const weightMs = since > most ? 0 : multiplyDivide(most - since, windowMs, 0, before).quotient
      fitsMs = Math.max(fitsMs, endMs - weightMs)
    })
    return fitsMs
  }

  /** The most that may be charged at `atMs` so that `need` fits at `etaMs`. */
  function spare(need: number, etaMs: number, atMs: number): number {
    let least = Number.POSITIVE_INFINITY
    const bound = (split: Split): void => {
      const { boundaryMs, since, before } = split
      const left = units - need - since
      if (atMs >= boundaryMs) least = Math.min(least, units - need - estimateOf(split, etaMs))
      else if (left < 0) least = Math.min(least, left - before)
      else if (atMs >= boundaryMs - windowMs) {
        const weightMs = boundaryMs + jitterMs + windowMs - etaMs
        least = Math.min(least, multiplyDivide(left, windowMs, 0, weightMs).quotient - before)
      }
    }
    const range = boundariesAt(etaMs)
    bound(splitAt(range.untilMs))
    if (limit.phaseMs !== undefined) return least
    eachSplit(range, bound)
    // The charge that is thought of has boundaries of its own.
    for (const boundaryMs of [atMs, atMs + windowMs])
      if (boundaryMs > range.afterMs && boundaryMs < range.untilMs) bound(splitAt(boundaryMs))
    return least
  }

  return {
    kind: 'rate',
    size: sizeOfLimit(limit, jitterMs),
    countsUnits: countsUnits(limit),
    available,
    earliest,
    soonest: (need, inFlight, whenMs) => earliest(Math.max(0, need - inFlight), whenMs),
    spare(need, etaMs, use) {
      if (!isBlind) return spare(need, etaMs, use.atMs)
      const paced = pace.spare(Math.min(need, burst), etaMs, use)
      return paced <= 0 ? paced : Math.min(paced, spare(need, etaMs, use.atMs))
    },
    charge(amount, whenMs) {
      const { estimate } = last
      const isKnown = last.whenMs === whenMs
      forget()
      pace.charge(amount, whenMs)
      log.charge(amount, whenMs)
      if (isKnown && isBlind) last = { whenMs, estimate: estimate + amount }
    },
    refund(amount, chargedAtMs, whenMs) {
      forget()
      pace.refund(amount, chargedAtMs, whenMs)
      if (chargedAtMs + reachMs > whenMs) log.refund(amount, chargedAtMs)
    },
    counted: (sinceMs, whenMs) => (whenMs - sinceMs > observedMs ? null : log.since(sinceMs - reachMs)),
    occupy(amount, untilMs, whenMs) {
      forget()
      log.insert(amount, Math.min(whenMs, untilMs - windowMs - jitterMs))
    },
    kept: () => [...pace.kept(), ...log.kept()],
    view(whenMs) {
      const used = estimateAt(whenMs)
      return {
        type: limit.type,
        limit: units,
        used,
        remaining: available(whenMs),
        resetsAtMs: used > 0 ? earliest(units, whenMs) : null,
      }
    },
  }
}

/** SC5. */
function paceOf({ units, windowMs }: SlidingCounter, jitterMs: number, burst: number): TokenBucket {
  const slack = Math.max(2, Math.ceil(units / SLACK_DIVISOR))
  return {
    type: 'token-bucket',
    capacity: burst,
    refillUnits: Math.max(1, units - slack),
    refillMs: windowMs + jitterMs,
  }
}

function modulo(a: number, b: number): number {
  return ((a % b) + b) % b
}
