// Calendar periods in an IANA time zone, DST included.
//
// C1  periodStart(t) <= t < periodEnd(t), and periodEnd(t) is the start of the next period.
// C2  A period begins at the first instant whose local date (or hour, minute) is the period's; an hour that DST
//     repeats is two hours, and one that a half-hour change cuts is shorter.
// C3  A rolling window moves by slices, a sixtieth of it each: what was taken in a slice counts until the whole slice
//     has left the window. So no window of that length ever holds more than is allowed, wherever it begins.

export type Calendar = { readonly period: 'minute' | 'hour' | 'day' | 'month'; readonly timezone: string }

const MINUTE_MS = 60_000
const HOUR_MS = 3_600_000
const DAY_MS = 86_400_000

/** A slice of a rolling window: finer ones cost rows, coarser ones hold back longer (C3). */
const SLICES_PER_WINDOW = 60

export function sliceMsOf(windowMs: number): number {
  return Math.ceil(windowMs / SLICES_PER_WINDOW)
}

/** Start of the slice that holds `atMs`. */
export function sliceStart(windowMs: number, atMs: number): number {
  const sliceMs = sliceMsOf(windowMs)
  return Math.floor(atMs / sliceMs) * sliceMs
}

/** What was taken in the slice that starts then counts no longer from this moment on. */
export function sliceLeaves(windowMs: number, startMs: number): number {
  return startMs + sliceMsOf(windowMs) + windowMs
}

/** The first slice whose use counts at `atMs`. */
export function sliceCountsFrom(windowMs: number, atMs: number): number {
  return sliceStart(windowMs, atMs - windowMs)
}

/** Start of the period that holds `atMs`, in epoch milliseconds. */
export function periodStart({ period, timezone }: Calendar, atMs: number): number {
  switch (period) {
    case 'minute':
      return Math.floor(atMs / MINUTE_MS) * MINUTE_MS
    case 'hour': {
      const start = atMs - pastHourMs(timezone, atMs)
      const before = start - pastHourMs(timezone, start)
      // Where the offset changes by half an hour, the old hours go on until the change.
      return before === start ? start : before + HOUR_MS <= atMs ? before + HOUR_MS : before
    }
    case 'day': {
      const local = atMs + offsetMs(timezone, atMs)
      return toUtc(timezone, Math.floor(local / DAY_MS) * DAY_MS)
    }
    case 'month': {
      const local = new Date(atMs + offsetMs(timezone, atMs))
      return toUtc(timezone, Date.UTC(local.getUTCFullYear(), local.getUTCMonth(), 1))
    }
    default:
      return period satisfies never
  }
}

/** First instant after the period that holds `atMs`, in epoch milliseconds. */
export function periodEnd(calendar: Calendar, atMs: number): number {
  const { period, timezone } = calendar
  const start = periodStart(calendar, atMs)
  switch (period) {
    case 'minute':
      return start + MINUTE_MS
    case 'hour':
      return start + HOUR_MS - pastHourMs(timezone, start)
    case 'day': {
      const local = start + offsetMs(timezone, start)
      return toUtc(timezone, (Math.floor(local / DAY_MS) + 1) * DAY_MS)
    }
    case 'month': {
      const local = new Date(start + offsetMs(timezone, start))
      return toUtc(timezone, Date.UTC(local.getUTCFullYear(), local.getUTCMonth() + 1, 1))
    }
    default:
      return period satisfies never
  }
}

export function isTimezone(name: string): boolean {
  try {
    return formatOf(name) !== undefined
  } catch {
    return false
  }
}

const formats = new Map<string, Intl.DateTimeFormat>()

function formatOf(timezone: string): Intl.DateTimeFormat {
  let format = formats.get(timezone)
  if (format === undefined) {
    format = new Intl.DateTimeFormat('en-US', {
      timeZone: timezone,
      hourCycle: 'h23',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
    })
    formats.set(timezone, format)
  }
  return format
}

/** Wall-clock time at an instant: days count from Sunday, 0; minutes from midnight. */
export function localTime(
  timezone: string,
  atMs: number,
): { readonly weekday: number; readonly minute: number } {
  const local = new Date(atMs + offsetMs(timezone, atMs))
  return { weekday: local.getUTCDay(), minute: local.getUTCHours() * 60 + local.getUTCMinutes() }
}

/** Local time minus UTC at an instant, in milliseconds. */
function offsetMs(timezone: string, atMs: number): number {
  if (timezone === 'UTC') return 0
  const part: Record<string, number> = {}
  for (const { type, value } of formatOf(timezone).formatToParts(atMs)) part[type] = Number(value)
  const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = part
  const wholeSecondMs = Math.floor(atMs / 1_000) * 1_000
  return Date.UTC(year, month - 1, day, hour, minute, second) - wholeSecondMs
}

/** Since the last full hour of local time, in milliseconds. */
function pastHourMs(timezone: string, atMs: number): number {
  const local = atMs + offsetMs(timezone, atMs)
  return ((local % HOUR_MS) + HOUR_MS) % HOUR_MS
}

/** The first instant at or after local midnight `localMs` (C2): where DST skips midnight, the end of the gap. */
function toUtc(timezone: string, localMs: number): number {
  const before = localMs - offsetMs(timezone, localMs - DAY_MS)
  const after = localMs - offsetMs(timezone, localMs + DAY_MS)
  const candidates = [Math.min(before, after), Math.max(before, after)]
  for (const candidate of candidates) {
    if (candidate + offsetMs(timezone, candidate) === localMs) return candidate
  }
  return Math.max(before, after)
}
