// Which of a price's rates applies: by the hour, then by the size of the request.
//
// R1  The first window that holds the moment replaces the rate; where none does, the price's own applies.
// R2  Above a threshold all units of the request have its rate, not only those beyond it.
// R3  A window is of local wall-clock time: [from, to), on the days on which it begins. An hour that DST repeats
//     is in it twice, one that it skips is not.

import { localTime } from './calendar.ts'

export const WEEKDAYS = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'] as const
export type Weekday = (typeof WEEKDAYS)[number]

export type Threshold = {
  /** More units than this; in ascending order. */
  readonly above: number
  readonly perUnitUsd: string
}

export type Rate = {
  /** Decimal string of at most 15 decimals. */
  readonly perUnitUsd: string
  readonly thresholds: readonly Threshold[]
}

export type Window = Rate & {
  /** Empty: every day. */
  readonly days: readonly Weekday[]
  /** Minutes after local midnight, 0 to 1,439. */
  readonly fromMinute: number
  /** 1 to 1,440; not after `fromMinute`: on the next day. */
  readonly toMinute: number
}

type Rated = Rate & { readonly windows: readonly Window[]; readonly timezone: string }

/** USD per unit, for a request of `size` units at `atMs`. */
export function rateAt(price: Rated, size: number, atMs: number): string {
  const rate = windowAt(price, atMs) ?? price
  return rate.thresholds.findLast(({ above }) => size > above)?.perUnitUsd ?? rate.perUnitUsd
}

function windowAt({ windows, timezone }: Rated, atMs: number): Window | undefined {
  if (windows.length === 0) return undefined
  const { weekday, minute } = localTime(timezone, atMs)
  const isOn = ({ days }: Window, day: number) => {
    const name = WEEKDAYS[(day + WEEKDAYS.length) % WEEKDAYS.length]
    return days.length === 0 || (name !== undefined && days.includes(name))
  }
  return windows.find((window) => {
    const { fromMinute, toMinute } = window
    if (fromMinute < toMinute) return isOn(window, weekday) && fromMinute <= minute && minute < toMinute
    return (isOn(window, weekday) && fromMinute <= minute) || (isOn(window, weekday - 1) && minute < toMinute)
  })
}
