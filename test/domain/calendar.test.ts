import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  isTimezone,
  periodEnd,
  periodStart,
  sliceLeaves,
  sliceMsOf,
  sliceStart,
} from '../../domain/calendar.ts'
import { runs } from '../support/runs.ts'

const PERIODS = ['minute', 'hour', 'day', 'month'] as const
// Half-hour and 45-minute offsets, DST at midnight, and a zone that skipped a whole day among them.
const ZONES = [
  'UTC',
  'America/New_York',
  'Europe/Berlin',
  'Asia/Kolkata',
  'Asia/Kathmandu',
  'America/Santiago',
  'Africa/Cairo',
  'Australia/Lord_Howe',
  'Pacific/Apia',
]

/** True where the period holds the time, is the same from either end, and is followed by the next. */
function isSound(calendar: { period: (typeof PERIODS)[number]; timezone: string }, atMs: number): boolean {
  const [start, end] = [periodStart(calendar, atMs), periodEnd(calendar, atMs)]
  return (
    start <= atMs &&
    end > atMs &&
    periodStart(calendar, start) === start &&
    periodEnd(calendar, start) === end &&
    periodStart(calendar, end) === end &&
    periodStart(calendar, end - 1) === start
  )
}

test('C1 a period holds its time, and its end is the start of the next', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...PERIODS),
      fc.constantFrom(...ZONES),
      fc.integer({ min: Date.UTC(2011, 0, 1), max: Date.UTC(2035, 0, 1) }),
      (period, timezone, atMs) => {
        expect(isSound({ period, timezone }, atMs)).toBe(true)
      },
    ),
    runs(800),
  )
})

test.each([
  ['Australia/Lord_Howe', '2026-04-04T15:00:00Z'],
  ['Australia/Lord_Howe', '2026-10-03T15:30:00Z'],
  ['America/New_York', '2026-03-08T07:00:00Z'],
  ['America/New_York', '2026-11-01T06:00:00Z'],
  ['Africa/Cairo', '2024-04-25T22:00:00Z'],
  ['Pacific/Apia', '2011-12-30T10:00:00Z'],
])('C1 around the change of %s at %s', (timezone, change) => {
  const minutes = [-1_440, -120, -61, -60, -31, -30, -1, 0, 1, 29, 30, 31, 59, 60, 120, 1_440]
  for (const period of PERIODS) {
    for (const minute of minutes) {
      expect(isSound({ period, timezone }, Date.parse(change) + minute * 60_000)).toBe(true)
    }
  }
})

describe('C2 a period begins at the first instant of its local date', () => {
  test.each([
    [
      'a plain day',
      'day',
      'America/New_York',
      '2026-01-15T17:00:00Z',
      '2026-01-15T05:00:00Z',
      '2026-01-16T05:00:00Z',
    ],
    [
      'a day of 23 hours',
      'day',
      'America/New_York',
      '2026-03-08T12:00:00Z',
      '2026-03-08T05:00:00Z',
      '2026-03-09T04:00:00Z',
    ],
    [
      'a day of 25 hours',
      'day',
      'America/New_York',
      '2026-11-01T12:00:00Z',
      '2026-11-01T04:00:00Z',
      '2026-11-02T05:00:00Z',
    ],
    [
      'a day whose midnight is skipped',
      'day',
      'Africa/Cairo',
      '2024-04-26T12:00:00Z',
      '2024-04-25T22:00:00Z',
      '2024-04-26T21:00:00Z',
    ],
    [
      'a month with a change',
      'month',
      'Europe/Berlin',
      '2026-03-20T00:00:00Z',
      '2026-02-28T23:00:00Z',
      '2026-03-31T22:00:00Z',
    ],
    ['December', 'month', 'UTC', '2026-12-20T00:00:00Z', '2026-12-01T00:00:00Z', '2027-01-01T00:00:00Z'],
    [
      'an hour of a half-hour zone',
      'hour',
      'Asia/Kolkata',
      '2026-08-01T00:10:00Z',
      '2026-07-31T23:30:00Z',
      '2026-08-01T00:30:00Z',
    ],
    [
      'a minute',
      'minute',
      'Asia/Kolkata',
      '2026-08-01T00:10:30Z',
      '2026-08-01T00:10:00Z',
      '2026-08-01T00:11:00Z',
    ],
  ] as const)('%s', (_name, period, timezone, at, start, end) => {
    const calendar = { period, timezone }
    expect(new Date(periodStart(calendar, Date.parse(at))).toISOString()).toBe(start.replace('Z', '.000Z'))
    expect(new Date(periodEnd(calendar, Date.parse(at))).toISOString()).toBe(end.replace('Z', '.000Z'))
  })
})

test('a time zone is known by its IANA name', () => {
  expect(isTimezone('Europe/Berlin')).toBe(true)
  expect(isTimezone('Mars/Olympus')).toBe(false)
})

test('C3 a slice holds its time, and leaves the window when all of it has, at most a slice late', () => {
  const windowMs = fc.integer({ min: 1, max: 31 * 86_400_000 })
  const atMs = fc.integer({ min: 0, max: Date.UTC(2035, 0, 1) })
  fc.assert(
    fc.property(windowMs, atMs, (window, at) => {
      const start = sliceStart(window, at)
      const sliceMs = sliceMsOf(window)
      expect(start <= at && at < start + sliceMs).toBe(true)
      expect(sliceStart(window, start)).toBe(start)
      const leaves = sliceLeaves(window, start)
      expect(leaves).toBeGreaterThan(at + window)
      expect(leaves).toBeLessThanOrEqual(at + window + sliceMs)
    }),
  )
})
