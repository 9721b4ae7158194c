// Grants whatever may start now, the best first.
//
// D1  The next to be looked at is the best head by score among the lanes that may compete; it is granted if it fits.
// D2  A blocked head reserves each of its resources that no better head has reserved.
// D3  Behind a blocked head, at most BACKFILL_DEPTH_MAX heads of the same shape are looked at; none where a resource
//     of theirs is exhausted, but for the first, which may have other resources to reserve.
// D4  After it, `startAtMs` is the earliest time at which a head that was found blocked may start.

import type { LimiterState } from './book.ts'
import { isAtCap } from './client.ts'
import { grant } from './grant.ts'
import type { Account } from './account.ts'
import { isExhausted, judge, type Reserved, type Verdict, type Want } from './order/judge.ts'
import { bestLane, headOf, leads, placeLane, setAside, type Lane, type Shape } from './order/lane.ts'
import type { Granted, Waiting } from './reservation.ts'

export const BACKFILL_DEPTH_MAX = 64

type Blocked = Extract<Verdict, { kind: 'blocked' }>

/** One pass over the queue. */
type Pass = {
  readonly open: Set<Shape>
  readonly reserved: Map<Account, Reserved>
  readonly exhausted: Set<Account>
  readonly seen: Map<Shape, number>
  readonly aside: Lane[]
}

export function drain(state: LimiterState): readonly Granted[] {
  state.startAtMs = null
  if (state.paused) return []
  const pass: Pass = {
    open: new Set(state.shapes.values()),
    reserved: new Map(),
    exhausted: new Set(),
    seen: new Map(),
    aside: [],
  }
  const grants: Granted[] = []
  for (let lane = nextLane(pass, state.nowMs); lane !== undefined; lane = nextLane(pass, state.nowMs)) {
    const head = headOf(lane)
    if (head === undefined || isAtCap(lane.client)) {
      setAside(lane)
      continue
    }
    const verdict = judge(wantsOf(head), useOf(state, head), (account) => pass.reserved.get(account))
    if (verdict.kind === 'fits') grants.push(grant(state, head))
    else block({ state, pass, head, verdict })
  }
  for (const lane of pass.aside) placeLane(lane, state.rekeys, state.nowMs)
  return grants
}

function nextLane(pass: Pass, nowMs: number): Lane | undefined {
  let best: Lane | undefined
  for (const shape of pass.open) {
    const lane = bestLane(shape, nowMs)
    if (lane === undefined) pass.open.delete(shape)
    else if (best === undefined || leads(lane, best, nowMs)) best = lane
  }
  return best
}

type Finding = {
  readonly state: LimiterState
  readonly pass: Pass
  readonly head: Waiting
  readonly verdict: Blocked
}

/** D2, D3, D4. */
function block({ state, pass, head, verdict }: Finding): void {
  const { lane } = head
  const { shape } = lane
  head.blocking = verdict.blocking
  setAside(lane)
  pass.aside.push(lane)
  const { startAtMs } = verdict
  if (startAtMs !== null) {
    state.startAtMs = Math.min(state.startAtMs ?? startAtMs, startAtMs)
    for (const { account, units } of wantsOf(head)) {
      if (!pass.reserved.has(account)) pass.reserved.set(account, { units, startAtMs })
    }
  }
  for (const account of shape.accounts) {
    if (isExhausted(account, useOf(state, head), pass.reserved.get(account))) pass.exhausted.add(account)
  }
  const seen = (pass.seen.get(shape) ?? 0) + 1
  pass.seen.set(shape, seen)
  if (seen > BACKFILL_DEPTH_MAX || shape.accounts.some((account) => pass.exhausted.has(account))) {
    pass.open.delete(shape)
  }
}

export function wantsOf({ lane, demand }: Waiting): readonly Want[] {
  return lane.shape.accounts.map((account, at) => ({ account, units: demand[at]?.[1] ?? 0 }))
}

function useOf({ nowMs }: LimiterState, { leaseMs }: Waiting): { atMs: number; untilMs: number } {
  return { atMs: nowMs, untilMs: nowMs + leaseMs }
}
