// The count of the clock's window, and of the one before weighted by the part of it that is still in sight: what large
// gateways keep instead of a log. Exact: compared in units times the window's microseconds.

import type { LimitOf } from '../limit-rule.ts'
import { windowStartUs } from './clock-window.ts'
import type { ProviderLimit } from './provider-limit.ts'

type Count = { startUs: number; units: number; readonly charged: Map<number, number> }

export function slidingCounter(rule: LimitOf<'sliding-counter'>): ProviderLimit {
  const windowUs = rule.windowMs * 1_000
  let former = empty(-Infinity)
  let current = empty(-Infinity)

  const roll = (atUs: number): void => {
    const startUs = windowStartUs(rule, atUs)
    if (startUs === current.startUs) return
    former = startUs - current.startUs === windowUs ? current : empty(startUs - windowUs)
    current = empty(startUs)
  }
  /** Units times windowUs that are left. */
  const left = (atUs: number): bigint =>
    BigInt(rule.units - current.units) * BigInt(windowUs) -
    BigInt(former.units) * BigInt(windowUs - (atUs - current.startUs))

  return {
    remaining(atUs) {
      roll(atUs)
      return floorDivide(left(atUs), BigInt(windowUs))
    },
    charge(id, units, atUs) {
      roll(atUs)
      current.units += units
      current.charged.set(id, units)
    },
    correct(id, units, atUs) {
      roll(atUs)
      for (const count of [current, former]) {
        const before = count.charged.get(id)
        if (before === undefined) continue
        count.units += units - before
        count.charged.set(id, units)
      }
    },
    end() {
      // A count forgets by time alone.
    },
    fitsAtUs(units, atUs) {
      if (units > rule.units) return null
      roll(atUs)
      if (left(atUs) >= BigInt(units) * BigInt(windowUs)) return atUs
      const room = rule.units - units
      const now = { before: former.units, since: current.startUs, room: room - current.units }
      const next = { before: current.units, since: current.startUs + windowUs, room }
      return earliestUs(now, windowUs) ?? earliestUs(next, windowUs)
    },
    fullAtUs(atUs) {
      roll(atUs)
      if (current.units > 0) return current.startUs + 2 * windowUs
      return former.units > 0 ? current.startUs + windowUs : atUs
    },
  }
}

/** When what is in sight of the former window has shrunk to `room`; null where that takes the whole window. */
function earliestUs(
  { before, since, room }: { before: number; since: number; room: number },
  windowUs: number,
): number | null {
  if (room < 0) return null
  if (before <= room) return since
  const hidden = BigInt(before - room) * BigInt(windowUs)
  return since + Number((hidden + BigInt(before) - 1n) / BigInt(before))
}

function empty(startUs: number): Count {
  return { startUs, units: 0, charged: new Map() }
}

function floorDivide(a: bigint, b: bigint): number {
  return Number(a / b) - (a < 0n && a % b !== 0n ? 1 : 0)
}
