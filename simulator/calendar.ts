// Ends of calendar periods, found by asking the calendar when its date changes.

type Period = { readonly period: 'minute' | 'hour' | 'day' | 'month'; readonly timezone: string }

const MINUTE_US = 60_000_000
const HOUR_US = 60 * MINUTE_US
const DAY_US = 24 * HOUR_US
/** No period is longer, daylight saving included. */
const LONGEST_US = { day: 26 * HOUR_US, month: 32 * DAY_US } as const

/** First microsecond after the period that holds `atUs`. */
export function nextPeriodUs({ period, timezone }: Period, atUs: number): number {
  if (period === 'minute') return (Math.floor(atUs / MINUTE_US) + 1) * MINUTE_US
  if (period === 'hour') return (Math.floor(atUs / HOUR_US) + 1) * HOUR_US

  const format = new Intl.DateTimeFormat('en', {
    timeZone: timezone,
    year: 'numeric',
    month: 'numeric',
    ...(period === 'day' ? { day: 'numeric' } : {}),
  })
  const label = (ms: number): string => format.format(ms)
  const nowMs = Math.floor(atUs / 1_000)
  const now = label(nowMs)
  let inside = nowMs
  let outside = nowMs + LONGEST_US[period] / 1_000
  while (outside - inside > 1) {
    const middle = Math.floor((inside + outside) / 2)
    if (label(middle) === now) inside = middle
    else outside = middle
  }
  return outside * 1_000
}
