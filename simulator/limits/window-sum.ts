// The sum of one window, and which calls are in it: what windows of the calendar, of the clock and of a first hit share.

import type { ProviderLimit } from './provider-limit.ts'

export type WindowRule = {
  readonly units: number
  /** End of the window that holds `atUs`, asked only when the last one is over. */
  readonly endOfUs: (atUs: number) => number
  /** Where windows begin with a call, there is none until one comes. */
  readonly beginsWithCall: boolean
}

/** At most `units` in one window; what is left at its end is lost. */
export function windowSum({ units: size, endOfUs, beginsWithCall }: WindowRule): ProviderLimit {
  const charged = new Map<number, number>()
  let used = 0
  let endsAtUs = -Infinity

  const roll = (atUs: number): void => {
    if (atUs < endsAtUs) return
    used = 0
    charged.clear()
    if (!beginsWithCall) endsAtUs = endOfUs(atUs)
  }

  return {
    remaining(atUs) {
      roll(atUs)
      return size - used
    },
    charge(id, units, atUs) {
      roll(atUs)
      if (atUs >= endsAtUs) endsAtUs = endOfUs(atUs)
      used += units
      charged.set(id, units)
    },
    correct(id, units, atUs) {
      roll(atUs)
      const before = charged.get(id)
      if (before === undefined) return
      used += units - before
      charged.set(id, units)
    },
    end(id) {
      charged.delete(id)
    },
    fitsAtUs(units, atUs) {
      if (units > size) return null
      roll(atUs)
      return used + units <= size ? atUs : endsAtUs
    },
    fullAtUs(atUs) {
      roll(atUs)
      return Math.max(atUs, endsAtUs)
    },
  }
}
