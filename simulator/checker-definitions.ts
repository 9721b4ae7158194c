// The referee's naive sums: every limit here is told by how much of an earlier charge is still in sight at a moment,
// and what it carries is the sum of that over all charges, added up anew for every arrival.

import { shareOf, UNBOUNDED, sendingUs, sizeOf, type LimitOf, type LimitRule } from './limit-rule.ts'
import { toUs, type Ledger } from './checker-ledger.ts'

type Charge = { readonly id: number; readonly atUs: number; units: number; readonly window: number }

type Definition = {
  /** Part of the charge that counts at `atUs`, 0 to 1; once it is 0 it stays so, and so do all earlier ones. */
  readonly weight: (charge: Charge, atUs: number) => number
  /** The window that a charge begins or joins. */
  readonly windowOf: (atUs: number, last: Charge | undefined) => number
  readonly isExact: boolean
  readonly sizeAt: (atUs: number, charges: readonly Charge[]) => number
  readonly most: (firstUs: number, lastUs: number) => number
}

type Counted = Exclude<
  LimitRule['type'],
  'token-bucket' | 'sliding-window' | 'fixed-window' | 'concurrency' | 'queue-then-expire'
>

export function sumOf(rule: LimitOf<Counted>, startMs: number): Ledger {
  const { weight, windowOf, isExact, sizeAt, most } = definitionOf(rule, toUs(startMs))
  const charges: Charge[] = []
  const load = (atMs: number): number => {
    let sum = 0
    for (let nth = charges.length - 1; nth >= 0; nth -= 1) {
      const charge = charges[nth]
      const part = charge === undefined ? 0 : weight(charge, toUs(atMs))
      if (charge === undefined || part === 0) return sum
      sum += charge.units * part
    }
    return sum
  }
  return {
    isExact,
    load,
    sizeAt: (atMs) => sizeAt(toUs(atMs), charges),
    charge(id, units, atMs) {
      const atUs = toUs(atMs)
      charges.push({ id, atUs, units, window: windowOf(atUs, charges.at(-1)) })
    },
    end(id, actual, atMs) {
      const charge = actual === undefined ? undefined : charges.findLast((each) => each.id === id)
      if (charge !== undefined && weight(charge, toUs(atMs)) > 0) charge.units = actual ?? charge.units
    },
    most: (firstMs, lastMs) => most(toUs(firstMs), toUs(lastMs)),
  }
}

function definitionOf(rule: LimitOf<Counted>, startUs: number): Definition {
  switch (rule.type) {
    case 'clock-window':
      return clocked({ size: rule.units, ...rule })
    case 'quantised':
      return clocked({ size: shareOf(rule), windowMs: rule.quantumMs, phaseMs: rule.phaseMs })
    case 'first-hit-window':
      return firstHit(rule)
    case 'sliding-counter':
      return weighted(rule)
    case 'slew':
      return growing(rule)
    case 'spend-cap':
      return capped(rule)
    case 'hidden-adaptive':
      return scheduled(rule, startUs)
    default:
      return rule satisfies never
  }
}

function clocked({
  size,
  windowMs,
  phaseMs,
}: {
  size: number
  windowMs: number
  phaseMs: number
}): Definition {
  const windowOf = (atUs: number): number => place(atUs, { windowMs, phaseMs }).window
  return {
    windowOf,
    weight: (charge, atUs) => (charge.window === windowOf(atUs) ? 1 : 0),
    isExact: true,
    sizeAt: () => size,
    most: (firstUs, lastUs) => size * (windowOf(lastUs) - windowOf(firstUs) + 1),
  }
}

/** Number of the clock's window that holds a moment, and how much of it has passed. */
function place(atUs: number, { windowMs, phaseMs }: { windowMs: number; phaseMs: number }) {
  const sinceUs = atUs - phaseMs * 1_000
  const windowUs = windowMs * 1_000
  const insideUs = ((sinceUs % windowUs) + windowUs) % windowUs
  return { window: (sinceUs - insideUs) / windowUs, part: insideUs / windowUs }
}

function firstHit({ units, windowMs }: LimitOf<'first-hit-window'>): Definition {
  const isIn = (window: number, atUs: number): boolean => atUs < window + windowMs * 1_000
  return {
    windowOf: (atUs, last) => (last !== undefined && isIn(last.window, atUs) ? last.window : atUs),
    weight: (charge, atUs) => (isIn(charge.window, atUs) ? 1 : 0),
    isExact: true,
    sizeAt: () => units,
    most: (firstUs, lastUs) => units * (Math.floor((lastUs - firstUs) / (windowMs * 1_000)) + 1),
  }
}

function weighted({ units, windowMs, phaseMs }: LimitOf<'sliding-counter'>): Definition {
  return {
    windowOf: (atUs) => place(atUs, { windowMs, phaseMs }).window,
    weight(charge, atUs) {
      const { window, part } = place(atUs, { windowMs, phaseMs })
      if (window === charge.window) return 1
      return window === charge.window + 1 ? 1 - part : 0
    },
    isExact: false,
    sizeAt: () => units,
    most: (firstUs, lastUs) => units * (1 + (lastUs - firstUs) / (windowMs * 1_000)),
  }
}

function growing(rule: LimitOf<'slew'>): Definition {
  const windowOf = (atUs: number): number => place(atUs, { windowMs: rule.windowMs, phaseMs: 0 }).window
  const periodOf = (window: number): number => Math.floor((window * rule.windowMs) / rule.periodMs)
  const sizes = new Map<number, number>()
  return {
    windowOf,
    weight: (charge, atUs) => (charge.window === windowOf(atUs) ? 1 : 0),
    isExact: true,
    /** All windows of the period before are over, so its busiest one is found once. */
    sizeAt(atUs, charges) {
      const period = periodOf(windowOf(atUs))
      const known = sizes.get(period)
      if (known !== undefined) return known
      const sums = new Map<number, number>()
      for (const { window, units } of charges) {
        if (periodOf(window) === period - 1) sums.set(window, (sums.get(window) ?? 0) + units)
      }
      const peak = Math.max(0, ...sums.values())
      const size = Math.max(rule.units, Math.floor((peak * (100 + rule.growthPercent)) / 100))
      sizes.set(period, size)
      return size
    },
    // What could have been let through depends on what was.
    most: () => 0,
  }
}

function capped({ units, untilMs }: LimitOf<'spend-cap'>): Definition {
  const isOver = (atUs: number): boolean => atUs >= untilMs * 1_000
  return {
    windowOf: (atUs) => atUs,
    weight: (_charge, atUs) => (isOver(atUs) ? 0 : 1),
    isExact: true,
    sizeAt: (atUs) => (isOver(atUs) ? UNBOUNDED : units),
    most: (_firstUs, lastUs) => (isOver(lastUs) ? 0 : units),
  }
}

function scheduled(rule: LimitOf<'hidden-adaptive'>, startUs: number): Definition {
  const { schedule, windowMs } = rule
  const sizeAt = (atUs: number): number => {
    const passed = schedule.filter(({ afterMs }) => startUs + afterMs * 1_000 <= atUs)
    return passed.at(-1)?.units ?? sizeOf(rule)
  }
  return {
    windowOf: (atUs) => atUs,
    weight: (charge, atUs) => (charge.atUs > atUs - windowMs * 1_000 ? 1 : 0),
    isExact: true,
    sizeAt,
    most(firstUs, lastUs) {
      let sum = 0
      for (let atUs = firstUs; atUs <= lastUs; atUs += windowMs * 1_000) sum += sizeAt(atUs)
      return sum
    },
  }
}

/** A queue by its definition: a message begins when it came, or when the work of any run of earlier ones is done. */
export function queueOf(rule: LimitOf<'queue-then-expire'>): Ledger {
  const sent: { readonly atUs: number; readonly workUs: number }[] = []
  const fates = new Map<number, { kind: 'sent' | 'expired'; atMs: number }>()
  return {
    isExact: true,
    load: () => 0,
    sizeAt: () => sizeOf(rule),
    charge(id, units, atMs) {
      const atUs = toUs(atMs)
      let [beginsUs, workUs] = [atUs, 0]
      for (let nth = sent.length - 1; nth >= 0; nth -= 1) {
        const earlier = sent[nth]
        if (earlier === undefined) break
        workUs += earlier.workUs
        beginsUs = Math.max(beginsUs, earlier.atUs + workUs)
      }
      const expiresUs = atUs + rule.ttlMs * 1_000
      const workOwnUs = sendingUs(rule, units)
      if (beginsUs > expiresUs) fates.set(id, { kind: 'expired', atMs: expiresUs / 1_000 })
      else {
        sent.push({ atUs, workUs: workOwnUs })
        fates.set(id, { kind: 'sent', atMs: (beginsUs + workOwnUs) / 1_000 })
      }
    },
    end() {
      // What was accepted is sent, whoever waits for it.
    },
    most: () => 0,
    fateOf: (id) => fates.get(id) ?? null,
  }
}
