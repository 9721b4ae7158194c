// Random lives under soft and rolling budgets, beside a model that adds up lists of what was done. It knows no slices'
// table, no balance and no stored crossing: it looks at all that happened, each time anew.

import fc from 'fast-check'
import { afterAll, expect, test } from 'vitest'
import { admit } from '../../activities/ledger/admit.ts'
import { checkLedger } from '../../activities/ledger/check.ts'
import type { Sql } from '../../activities/ledger/database.ts'
import { getBudgets } from '../../activities/ledger/get-budgets.ts'
import { readOutbox } from '../../activities/ledger/read-outbox.ts'
import { recordEffects } from '../../activities/ledger/record-effects.ts'
import { release } from '../../activities/ledger/release.ts'
import type { Budget } from '../../domain/budget.ts'
import * as f from './fixture.ts'

const RUNS = 15
/** A failure is shrunk before it is told. */
const TIMEOUT_MS = 120_000
const DAY_MS = 86_400_000
const WINDOW_MS = 6_000
const SLICE_MS = WINDOW_MS / 60
const THRESHOLDS = [40, 80, 100, 120]

const ledger = await f.openLedger()
const { sql } = ledger
afterAll(() => ledger.close())

type Terms = {
  readonly amount: number
  readonly graceMs: number
  readonly times: number
  readonly most: number
}
type Life = {
  readonly id: string
  readonly atMs: number
  readonly held: number
  isOpen: boolean
  isTold: boolean
}
/** Use that was booked, in the order of booking. */
type Use = { readonly admittedMs: number; readonly atMs: number; readonly units: number }

class Model {
  readonly terms:
    Terms | { readonly amount: number; readonly times: 1; readonly most: 0; readonly graceMs: 0 }
  readonly isRolling: boolean
  readonly lives: Life[] = []
  readonly uses: Use[] = []

  constructor(terms: Model['terms'], isRolling: boolean) {
    this.terms = terms
    this.isRolling = isRolling
  }

  /** Whether what was admitted then counts now. */
  counts(admittedMs: number, nowMs: number): boolean {
    if (!this.isRolling) return Math.floor(admittedMs / DAY_MS) === Math.floor(nowMs / DAY_MS)
    return Math.floor(admittedMs / SLICE_MS) * SLICE_MS + SLICE_MS + WINDOW_MS > nowMs
  }

  usedAt(nowMs: number, bookings = this.uses.length): number {
    return sum(
      this.uses.slice(0, bookings).map((use) => (this.counts(use.admittedMs, nowMs) ? use.units : 0)),
    )
  }

  chargedAt(nowMs: number, bookings = this.uses.length): number {
    const used = this.usedAt(nowMs, bookings)
    return used + this.surcharge(Math.max(0, used - this.terms.amount))
  }

  surcharge(over: number): number {
    return Math.ceil(over * (this.terms.times - 1))
  }

  /** Holds of a calendar day are that day's; a window's are all that are open. */
  heldAt(nowMs: number): number {
    const counts = ({ atMs }: Life) => this.isRolling || this.counts(atMs, nowMs)
    return sum(this.lives.filter((life) => life.isOpen && counts(life)).map(({ held }) => held))
  }

  remainingAt(nowMs: number): number {
    return this.terms.amount - this.chargedAt(nowMs) - this.heldAt(nowMs)
  }

  /** The booking since which it has been above its amount, or in a calendar period was for the first time. */
  crossedAt(nowMs: number): number | null {
    let crossed: number | null = null
    for (const [nth, { atMs, admittedMs }] of this.uses.entries()) {
      if (!this.isRolling && !this.counts(admittedMs, nowMs)) continue
      // Of a calendar day what counts is what is booked in it, whenever that is.
      const seenMs = this.isRolling ? atMs : admittedMs
      if (this.isRolling && this.usedAt(seenMs, nth) <= this.terms.amount) crossed = null
      if (crossed === null && this.usedAt(seenMs, nth + 1) > this.terms.amount) crossed = atMs
    }
    return this.isRolling && this.usedAt(nowMs) <= this.terms.amount ? null : crossed
  }

  /** What a hold takes, or null. */
  holdOf(units: number, nowMs: number): number | null {
    const remaining = this.remainingAt(nowMs)
    const needed = units + this.surcharge(Math.max(0, Math.min(units, units - remaining)))
    const crossed = this.crossedAt(nowMs)
    const isInGrace = crossed === null || nowMs < crossed + this.terms.graceMs
    return needed <= remaining + (isInGrace ? this.terms.most : 0) ? needed : null
  }

  /** Percents in the order in which they are told. */
  told(): readonly number[] {
    const all: number[] = []
    let [period, sinceMs, highest]: [number, number | null, number] = [0, null, 0]
    for (const [nth, { atMs, admittedMs }] of this.uses.entries()) {
      const day = this.isRolling ? 0 : Math.floor(admittedMs / DAY_MS)
      if (this.isRolling && sinceMs !== null && atMs >= sinceMs + WINDOW_MS) [sinceMs, highest] = [null, 0]
      if (day !== period) [period, highest] = [day, this.highestOf(day, nth)]
      const charged = this.chargedAt(this.isRolling ? atMs : admittedMs, nth + 1)
      for (const percent of THRESHOLDS) {
        if (percent <= highest || charged <= 0 || charged * 100 < percent * this.terms.amount) continue
        all.push(percent)
        ;[highest, sinceMs] = [percent, sinceMs ?? atMs]
      }
    }
    return all
  }

  /** The highest percent that a day has told in the first bookings. */
  private highestOf(day: number, bookings: number): number {
    const charges = this.uses
      .slice(0, bookings)
      .flatMap(({ admittedMs }, nth) =>
        Math.floor(admittedMs / DAY_MS) === day ? [this.chargedAt(admittedMs, nth + 1)] : [],
      )
    const most = Math.max(0, ...charges)
    return Math.max(
      0,
      ...THRESHOLDS.filter((percent) => most > 0 && most * 100 >= percent * this.terms.amount),
    )
  }
}

function sum(amounts: readonly number[]): number {
  return amounts.reduce((all, one) => all + one, 0)
}

const terms = fc.record({
  amount: fc.integer({ min: 5, max: 40 }),
  graceMs: fc.constantFrom(0, 1_000, 4_000, 20_000),
  times: fc.constantFrom(1, 1.5, 2, 3),
  most: fc.constantFrom(0, 10, 100, 300),
})
const steps = fc.array(
  fc.record({
    kind: fc.constantFrom('reserve' as const, 'reserve' as const, 'settle' as const, 'expire' as const),
    nth: fc.nat(20),
    units: fc.integer({ min: 1, max: 25 }),
    passesMs: fc.constantFrom(0, 1, 99, 500, 1_000, 3_000, 6_100),
  }),
  { minLength: 15, maxLength: 40 },
)
type Step = {
  readonly kind: 'reserve' | 'settle' | 'expire'
  readonly nth: number
  readonly units: number
  readonly passesMs: number
}

let clients = 0

async function clientWith({ amount, graceMs, times, most }: Terms, isRolling: boolean, isSoft: boolean) {
  clients += 1
  const id = `soft-${clients}`
  const rolling = { period: 'rolling', windowMs: WINDOW_MS } as const
  const base = {
    ...f.hard(id, amount),
    ...(isRolling ? rolling : { period: 'day' as const }),
    thresholds: THRESHOLDS,
  }
  const soft = { enforcement: 'soft', graceMs, overageMultiplier: String(times), overageMax: most } as const
  await f.client(sql, { id }, [(isSoft ? { ...base, ...soft } : base) as Budget])
  return id
}

async function settle(on: Sql, reservationId: string, units: number, atMs: number): Promise<void> {
  const given = { reservationId, actual: { [f.TOKENS]: units }, costNanoUsd: null, contentHash: 'h' } as const
  expect(await release(on, { ...given, outcome: 'success' }, atMs)).toMatchObject({ kind: 'settled' })
}

async function perform(
  model: Model,
  client: string,
  { kind, nth, units }: Step,
  nowMs: number,
): Promise<void> {
  if (kind === 'reserve') {
    const ask = f.reservation({ clientId: client, resources: { [f.TOKENS]: units } })
    const held = model.holdOf(units, nowMs)
    expect((await admit(sql, ask, nowMs)).kind).toBe(held === null ? 'refused' : 'admitted')
    if (held === null) return
    await recordEffects(sql, [f.granted(ask.id, nowMs)])
    model.lives.push({ id: ask.id, atMs: nowMs, held, isOpen: true, isTold: false })
    return
  }
  const told = model.lives.filter((life) => !life.isTold)
  const life = told[nth % Math.max(1, told.length)]
  if (life === undefined) return
  // Whatever ends a hold, be it with a use of 0, tells what is due.
  const used = kind === 'expire' ? 0 : units - 1
  if (kind === 'settle' || life.isOpen) model.uses.push({ admittedMs: life.atMs, atMs: nowMs, units: used })
  if (kind === 'expire') await recordEffects(sql, [f.effect('lease-expired', life.id, nowMs)])
  else {
    await settle(sql, life.id, used, nowMs)
    life.isTold = true
  }
  life.isOpen = false
}

async function toldOf(client: string): Promise<readonly unknown[]> {
  const events = await readOutbox(sql, { after: 0, limit: 10_000, clientId: client })
  const reached = events.filter(({ name }) => name === 'budget.threshold_reached')
  return reached.map(({ detail }) => (detail as { readonly percent: number }).percent)
}

const kinds = {
  'soft of a day': [false, true],
  'soft rolling': [true, true],
  'hard rolling': [true, false],
} as const

test.for(Object.entries(kinds))(
  'B1 to B7, T1 to T4: a %s budget admits, holds, charges and tells what the model does',
  { timeout: TIMEOUT_MS },
  async ([, [isRolling, isSoft]]) => {
    await fc.assert(
      fc.asyncProperty(terms, steps, async (given, all) => {
        const client = await clientWith(given, isRolling, isSoft)
        const model = new Model(
          isSoft ? given : { amount: given.amount, times: 1, most: 0, graceMs: 0 },
          isRolling,
        )
        // The last seconds of a day, so that a calendar's period ends among them.
        let nowMs = f.NOON + DAY_MS / 2 - 9_000
        for (const step of all) {
          nowMs += step.passesMs
          await perform(model, client, step, nowMs)
          const [standing] = await getBudgets(sql, client, nowMs)
          expect(standing).toMatchObject({
            used: model.chargedAt(nowMs),
            held: model.heldAt(nowMs),
            remaining: model.remainingAt(nowMs),
          })
        }
        expect(await toldOf(client)).toEqual(model.told())
      }),
      { numRuns: RUNS, endOnFailure: true },
    )
    expect(await checkLedger(sql)).toEqual([])
  },
)
