// Work conservation, over random worlds: whoever could start without making anybody wait longer has started. Judged by
// going through all who are first in their lanes, with copies of the meters on which a grant is tried; nothing here asks
// the drain, its claims, or what it thinks that a limit can spare.

import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { URGENCY_POINTS } from '../../domain/priority.ts'
import type { Resource } from '../../domain/resource.ts'
import { charge, leftIn, sharedUnits, takeSlots, type Account } from '../../limiter/account.ts'
import { isAtCap } from '../../limiter/client.ts'
import type { LimiterEvent } from '../../limiter/event.ts'
import { needOf, type Meter } from '../../limiter/limits/meter.ts'
import { coversAtMs } from '../../limiter/order/credit.ts'
import { standingOf, wantsOf } from '../../limiter/order/lane.ts'
import type { Want } from '../../limiter/order/judge.ts'
import { isAhead } from '../../limiter/order/score.ts'
import { isOpen, type Pool } from '../../limiter/pool.ts'
import type { Waiting } from '../../limiter/reservation.ts'
import { encode, restore, type LimiterSnapshot, type LimiterState } from '../../limiter/state.ts'
import { step } from '../../limiter/step.ts'
import { grantedIds, limiter } from './fixture.ts'
import { crowds } from './worlds.ts'
import { runs } from '../support/runs.ts'

const NEVER = Number.POSITIVE_INFINITY

/** The first of every lane, of clients below their cap, the best first. */
function headsOf(state: LimiterState): readonly Waiting[] {
  const heads = new Map<unknown, Waiting>()
  for (const one of state.reservations.values()) {
    if (one.kind !== 'waiting' || isAtCap(one.lane.client)) continue
    const known = heads.get(one.lane)
    if (known === undefined || isAhead(standingOf(one), standingOf(known), state.nowMs))
      heads.set(one.lane, one)
  }
  return [...heads.values()].sort((a, b) => (isAhead(standingOf(a), standingOf(b), state.nowMs) ? -1 : 1))
}

function copyOf(state: LimiterState): LimiterState {
  const snapshot: LimiterSnapshot = JSON.parse(JSON.stringify(encode(state)))
  return restore(snapshot)
}

type Taking = { readonly account: Account; readonly pool: Pool; readonly units: number }

function fits({ account, pool, units }: Taking, nowMs: number): boolean {
  if (account.closedUntilMs > nowMs || !isOpen(pool)) return false
  return pool.meters.every((meter, index) => needOf(meter, units) <= leftIn(account, meter, index, nowMs))
}

function admitsAt(meter: Meter, units: number, nowMs: number): number {
  return meter.earliest(needOf(meter, units), nowMs) ?? NEVER
}

/** When the limits of a pool let a want start that nobody else competes with. */
function startsIn({ account, pool, units }: Taking, nowMs: number): number {
  if (!isOpen(pool)) return NEVER
  const untilMs = Math.max(
    account.closedUntilMs,
    ...pool.meters.map((meter) => admitsAt(meter, units, nowMs)),
  )
  // Slots of other pools are in the way, and nobody can tell how long.
  return untilMs <= nowMs && !fits({ account, pool, units }, nowMs) ? NEVER : Math.max(nowMs, untilMs)
}

/** When its own limits let it start. */
function ownStart(waiting: Waiting, nowMs: number): number {
  const starts = wantsOf(waiting).map(({ account, pools, units }) =>
    Math.min(NEVER, ...pools.map((pool) => startsIn({ account, pool, units }, nowMs))),
  )
  return Math.max(nowMs, ...starts)
}

/** The meters of a pool of the same name in a copy of the state on which the use was tried. */
function metersAfter(state: LimiterState, use: Taking, untilMs: number): (pool: Pool) => readonly Meter[] {
  const account = copyOf(state).accounts.get(use.account.resource.id)
  const all = [...(account?.pools ?? []), ...(account?.loans ?? [])]
  const metersOf = (name: string): Pool | undefined => all.find((pool) => pool.name === name)
  const taken = metersOf(use.pool.name)
  charge(taken, use.units, state.nowMs)
  takeSlots(taken, { units: use.units, untilMs })
  return ({ name }) => metersOf(name)?.meters ?? []
}

/** Somebody who must be able to start in a pool by a time, where it would without the use. */
type Stake = {
  readonly by: Waiting
  readonly pool: Pool
  readonly units: number
  readonly startAtMs: number
  /** It counts although the limits of the pool do not let it start by then (D6). */
  readonly isTurn: boolean
}

/** What the heads, each by its own limits alone, stand to lose in the pools that they may use. */
function stakesOf(state: LimiterState, heads: readonly Waiting[]): readonly Stake[] {
  return heads.flatMap((by) => {
    const startAtMs = ownStart(by, state.nowMs)
    return wantsOf(by).flatMap(({ account, pools, units }) => [
      ...pools.map((pool): Stake => ({ by, pool, units, startAtMs, isTurn: false })),
      ...turnOf(state, account, by, units),
    ])
  })
}

/** D6: the shared pool may be kept for whom a guaranteed share serves, from when its credit covers it. */
function turnOf(state: LimiterState, account: Account, by: Waiting, units: number): readonly Stake[] {
  const { share, pools } = account
  const [pool] = pools
  const startAtMs = coversAtMs(share.credit, share.terms, sharedUnits(account, units), state.nowMs)
  if (pool === undefined || share.terms.part === 0 || startAtMs === null || startAtMs <= state.nowMs)
    return []
  return [{ by, pool, units, startAtMs, isTurn: true }]
}

/** True where the use would let none of them start later. */
function isHarmless(state: LimiterState, use: Taking, untilMs: number, stakes: readonly Stake[]): boolean {
  const { nowMs } = state
  const after = metersAfter(state, use, untilMs)
  const { pools, loans } = use.account
  return stakes
    .filter(({ pool }) => pools.includes(pool) || loans.some((loan) => loan === pool))
    .filter(({ pool, isTurn }) => !isTurn || pool === use.pool)
    .every(({ pool, units, startAtMs, isTurn }) => {
      const changed = after(pool)
      return pool.meters.every((meter, index) => {
        const later = changed[index]
        const byMs = isTurn ? startAtMs : Math.max(startAtMs, admitsAt(meter, units, nowMs))
        return later !== undefined && admitsAt(later, units, nowMs) <= byMs
      })
    })
}

function couldTake(state: LimiterState, asker: Waiting, want: Want, stakes: readonly Stake[]): boolean {
  const { account, pools, units } = want
  return pools
    .map((pool) => ({ account, pool, units }))
    .filter((use) => fits(use, state.nowMs))
    .some((use) => isHarmless(state, use, state.nowMs + asker.leaseMs, stakes))
}

/** Who could start and make nobody wait longer than its own limits do. */
function leftIdle(state: LimiterState): readonly string[] {
  if (state.paused) return []
  const heads = headsOf(state)
  const stakes = stakesOf(state, heads)
  return heads
    .filter((asker) => {
      const others = stakes.filter(({ by }) => by !== asker)
      return wantsOf(asker).every((want) => couldTake(state, asker, want, others))
    })
    .map(({ id }) => id)
}

test('D1 D3 property 6: who could start and make nobody wait longer is never left waiting', () => {
  fc.assert(
    fc.property(crowds(60), ({ resources, events }) => {
      const state = limiter(...resources)
      for (const event of events) {
        step(state, event)
        expect(leftIdle(copyOf(state))).toEqual([])
      }
    }),
    runs(300),
  )
})

/** P(t) by its definition, in units of 1/300,000 point. */
function scoreOf({ lane, enqueuedAtMs }: Waiting, { tiers, nowMs }: LimiterState): number {
  const waitedMs = nowMs - enqueuedAtMs
  const points =
    (tiers.get(lane.tier)?.points ?? 0) + URGENCY_POINTS[lane.urgency] + lane.boost + lane.client.points
  return 300_000 * (points + (waitedMs >= 600_000 ? 10 : 0)) + Math.min(20 * 300_000, waitedMs)
}

/** Who is to be granted next, and who could be although somebody better is not: by the order and the claims alone. */
function pickOf(state: LimiterState): Waiting | undefined {
  const { nowMs } = state
  const heads = headsOf(state).toSorted(
    (a, b) =>
      scoreOf(b, state) - scoreOf(a, state) || a.enqueuedAtMs - b.enqueuedAtMs || a.sequence - b.sequence,
  )
  const claims = new Map<Account, Stake>()
  for (const head of heads) {
    const uses = wantsOf(head).flatMap(({ account, pools, units }) =>
      pools.map((pool) => ({ account, pool, units })),
    )
    const moved = uses.flatMap((use) => {
      const claim = claims.get(use.account)
      return claim === undefined || isHarmless(state, use, nowMs + head.leaseMs, [claim]) ? [] : [claim]
    })
    if (moved.length === 0 && uses.every((use) => fits(use, nowMs))) return head
    const startAtMs = Math.max(ownStart(head, nowMs), ...moved.map((claim) => claim.startAtMs))
    if (startAtMs === NEVER) continue
    for (const { account, pool, units } of uses) {
      if (!claims.has(account)) claims.set(account, { by: head, pool, units, startAtMs, isTurn: true })
    }
  }
  return undefined
}

/**
 * Without pools and guaranteed shares the order decides alone. With leases of one length: behind a head for whose lease
 * nothing is left, D3 looks at nobody whose lease is shorter.
 */
const plainCrowds = crowds(60).map(({ resources, events }) => {
  const plain = ({ pools: _pools, ...rest }: Resource): Resource => ({ ...rest, guaranteedShare: 0 })
  return {
    resources: resources.map(plain),
    events: events
      .filter(({ kind }) => kind !== 'pause')
      .map((event): LimiterEvent => {
        if (event.kind === 'reserve') return { ...event, leaseMs: 10_000 }
        if (event.kind !== 'configure') return event
        const changed = Object.entries(event.resources).map(([id, one]) => [id, one && plain(one)] as const)
        return { ...event, resources: Object.fromEntries(changed) }
      }),
  }
})

test('O3 D1 J2 properties 5 and 6: whom a drain grants first is the best who fits and moves no better one, and it ends where there is none', () => {
  fc.assert(
    fc.property(plainCrowds, ({ resources, events }) => {
      const state = limiter(...resources)
      for (const event of events) {
        const paused = (isPaused: boolean) =>
          ({ kind: 'pause', atMs: state.nowMs, paused: isPaused }) as const
        step(state, paused(true))
        step(state, event)
        const pick = pickOf(state)
        const [first] = grantedIds(step(state, paused(false)))
        expect(first).toBe(pick?.id)
        expect(pickOf(state)?.id).toBe(undefined)
      }
    }),
    runs(600),
  )
})
