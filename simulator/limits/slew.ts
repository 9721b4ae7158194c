// Growth is limited, not size: a window of the clock may carry `units`, or by `growthPercent` more than the busiest
// window of the period before, whichever is more. (OpenAI's slow_down, Anthropic's acceleration limits.)

import type { LimitOf } from '../limit-rule.ts'
import { windowStartUs } from './clock-window.ts'
import type { ProviderLimit } from './provider-limit.ts'

export function slew(rule: LimitOf<'slew'>): ProviderLimit {
  const windowUs = rule.windowMs * 1_000
  const periodUs = rule.periodMs * 1_000
  const window = { startUs: -Infinity, units: 0, charged: new Map<number, number>() }
  let periodStartUs = -Infinity
  let formerPeak = 0
  let peak = 0

  const roll = (atUs: number): void => {
    const startUs = windowStartUs({ windowMs: rule.windowMs, phaseMs: 0 }, atUs)
    if (startUs === window.startUs) return
    peak = Math.max(peak, window.units)
    Object.assign(window, { startUs, units: 0, charged: new Map() })
    // A window belongs to the period in which it begins.
    const nextStartUs = Math.floor(startUs / periodUs) * periodUs
    if (nextStartUs === periodStartUs) return
    formerPeak = nextStartUs - periodStartUs === periodUs ? peak : 0
    peak = 0
    periodStartUs = nextStartUs
  }
  const ceiling = (): number =>
    Math.max(rule.units, Math.floor((formerPeak * (100 + rule.growthPercent)) / 100))

  return {
    remaining(atUs) {
      roll(atUs)
      return ceiling() - window.units
    },
    charge(id, units, atUs) {
      roll(atUs)
      window.units += units
      window.charged.set(id, units)
    },
    correct(id, units, atUs) {
      roll(atUs)
      const before = window.charged.get(id)
      if (before === undefined) return
      window.units += units - before
      window.charged.set(id, units)
    },
    end(id) {
      window.charged.delete(id)
    },
    fitsAtUs(units, atUs) {
      roll(atUs)
      if (window.units + units <= ceiling()) return atUs
      const nextUs = window.startUs + windowUs
      const isSamePeriod = Math.floor(nextUs / periodUs) * periodUs === periodStartUs
      return units <= (isSamePeriod ? ceiling() : rule.units) ? nextUs : null
    },
    fullAtUs(atUs) {
      roll(atUs)
      return window.startUs + windowUs
    },
  }
}
