import { expect, test } from 'vitest'
import { needOfLimit, sizeOfLimit, type Limit } from '../../domain/limit.ts'

const bucket: Limit = { type: 'token-bucket', capacity: 100, refillUnits: 60, refillMs: 60_000 }

const table: Record<
  string,
  { limit: Limit; jitterMs: number; units: number; want: { need: number; size: number } }
> = {
  'a bucket admits its capacity': { limit: bucket, jitterMs: 0, units: 100, want: { need: 100, size: 100 } },
  'mirrored, less what may arrive before it': {
    limit: bucket,
    jitterMs: 1_001,
    units: 99,
    want: { need: 99, size: 98 },
  },
  'never less than nothing': { limit: bucket, jitterMs: 999_999, units: 1, want: { need: 1, size: 0 } },
  'a window admits its units however long it is made': {
    limit: { type: 'sliding-window', units: 7, windowMs: 1_000 },
    jitterMs: 500,
    units: 8,
    want: { need: 8, size: 7 },
  },
  'a slot is a reservation': {
    limit: { type: 'concurrency', slots: 1, per: 'reservation' },
    jitterMs: 0,
    units: 50,
    want: { need: 1, size: 1 },
  },
  'or a unit': {
    limit: { type: 'concurrency', slots: 4, per: 'unit' },
    jitterMs: 0,
    units: 5,
    want: { need: 5, size: 4 },
  },
}

test.for(Object.entries(table))('%s', ([, { limit, jitterMs, units, want }]) => {
  expect({ need: needOfLimit(limit, units), size: sizeOfLimit(limit, jitterMs) }).toEqual(want)
})
