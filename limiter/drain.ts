// Grants whatever may start now, the best first.
//
// D1  Next is who is due in a guaranteed share, else the best head by score among the lanes that compete; it is granted
//     if it fits.
// D2  A blocked head reserves each of its resources that nobody before it has reserved.
// D3  Behind a blocked head, at most BACKFILL_DEPTH_MAX heads of the same shape are looked at; none where a resource
//     of theirs is exhausted, but for the first, which may have other resources to reserve.
// D4  After it, `startAtMs` is the earliest time at which a head that was found blocked may start.
// D5  Who is due but waits for another resource holds up at most SHARE_DEPTH_MAX others of the share.

import { sharedUnits, sharePartOf, type Account } from './account.ts'
import type { LimiterState } from './book.ts'
import { isAtCap } from './client.ts'
import { grant } from './grant.ts'
import {
  chargeShare,
  nextFlow,
  placeFlow,
  setFlowAside,
  SHARE_WHOLE,
  type Flow,
  type TierQueue,
} from './order/guaranteed.ts'
import { judge, opensAt, type Reserved, type Verdict } from './order/judge.ts'
import { bestLane, headOf, leads, setAside, wantsOf, type Lane, type Shape } from './order/lane.ts'
import type { Pool } from './pool.ts'
import { place } from './queue.ts'
import type { Granted, Waiting } from './reservation.ts'

export const BACKFILL_DEPTH_MAX = 64
export const SHARE_DEPTH_MAX = 8

type Blocked = Extract<Verdict, { kind: 'blocked' }>

/** One pass over the queue. */
type Pass = {
  readonly state: LimiterState
  readonly grants: Granted[]
  readonly grantsBefore: number
  /** Somebody who became due in this pass was found blocked by what had been reserved before. */
  isOvertaken: boolean
  readonly open: Set<Shape>
  /** Resources in whose guaranteed share somebody may be due; those whose share can give nothing more in this pass. */
  readonly due: Set<Account>
  readonly spent: Set<Account>
  readonly reserved: Map<Pool, Reserved>
  readonly seen: Map<Shape, number>
  /** Lanes whose head was found blocked; those that were taken out until the pass ends. */
  readonly blocked: Lane[]
  readonly aside: Lane[]
  readonly flowsAside: { readonly queue: TierQueue; readonly flow: Flow }[]
}

export function drain(state: LimiterState): readonly Granted[] {
  const grants: Granted[] = []
  while (sweep(state, grants));
  return grants
}

/**
 * One pass. True where what it granted takes from those who had reserved something the right to it, so that another
 * has to follow: a client reached its cap, or somebody became due in a share and goes before them.
 */
function sweep(state: LimiterState, grants: Granted[]): boolean {
  state.startAtMs = null
  if (state.paused) return false
  const pass: Pass = {
    state,
    grants,
    grantsBefore: grants.length,
    isOvertaken: false,
    blocked: [],
    open: new Set(state.shapes.values()),
    due: new Set(),
    spent: new Set(),
    reserved: new Map(),
    seen: new Map(),
    aside: [],
    flowsAside: [],
  }
  // In the order of the configuration.
  for (const account of state.accounts.values()) noteDue(pass, account)
  do serveDue(pass)
  while (serveBest(pass))
  for (const lane of pass.aside) place(state, lane)
  for (const { queue, flow } of pass.flowsAside) placeFlow(queue, flow)
  return pass.isOvertaken || pass.blocked.some(({ client }) => isAtCap(client))
}

function noteDue({ due, spent }: Pass, account: Account): void {
  if (account.waiting === 0 || account.share.credit <= 0 || spent.has(account)) return
  if (sharePartOf(account) > 0) due.add(account)
}

/** Grants, from every guaranteed share, whom its credit covers. */
function serveDue(pass: Pass): void {
  for (const account of pass.due) {
    let depth = 0
    while (depth < SHARE_DEPTH_MAX) {
      const served = serveShare(pass, account)
      if (served === 'nobody') break
      if (served === 'blocked elsewhere') depth += 1
    }
    pass.due.delete(account)
  }
}

function serveShare(pass: Pass, account: Account): 'granted' | 'blocked elsewhere' | 'nobody' {
  const { tiers } = pass.state
  const weightOf = (tier: string): number => tiers.get(tier)?.weight ?? 0
  const due = nextFlow(account.share, { weightOf, unitsOf: (waiting) => unitsOn(account, waiting) })
  // One that is set aside was found blocked in this pass.
  if (due === undefined || due.head.lane.orderPlace.index < 0) return 'nobody'
  const { queue, flow, head, units } = due
  if (account.share.credit < units * SHARE_WHOLE) return 'nobody'
  const verdict = verdictOn(pass, head)
  if (verdict.kind === 'fits') {
    chargeShare(account.share, due, weightOf(queue.tier))
    grantHead(pass, head, verdict.pools)
    return 'granted'
  }
  if (pass.blocked.length > 0 && pass.grants.length > pass.grantsBefore) pass.isOvertaken = true
  reserveFor(pass, head, verdict)
  if (verdict.blocking.resourceId === account.resource.id) {
    pass.spent.add(account)
    return 'nobody'
  }
  putAside(pass, head.lane)
  setFlowAside(queue, flow)
  pass.flowsAside.push({ queue, flow })
  return 'blocked elsewhere'
}

function unitsOn(account: Account, { lane, demand }: Waiting): number {
  return sharedUnits(account, demand[lane.shape.accounts.indexOf(account)]?.[1] ?? 0)
}

/** Grants the best head by score, or finds it blocked; false where there is none. */
function serveBest(pass: Pass): boolean {
  const lane = nextLane(pass)
  if (lane === undefined) return false
  const head = headOf(lane)
  if (head === undefined) return false
  const verdict = verdictOn(pass, head)
  if (verdict.kind === 'fits') grantHead(pass, head, verdict.pools)
  else {
    reserveFor(pass, head, verdict)
    // Nobody behind it is looked at where its shape is closed: it may stay where it is.
    if (!closeIfExhausted(pass, head)) putAside(pass, head.lane)
  }
  return true
}

function nextLane({ state, open }: Pass): Lane | undefined {
  let best: Lane | undefined
  for (const shape of open) {
    const lane = bestLane(shape, state.nowMs)
    if (lane === undefined) open.delete(shape)
    else if (best === undefined || leads(lane, best, state.nowMs)) best = lane
  }
  return best
}

function verdictOn({ state, reserved }: Pass, head: Waiting): Verdict {
  return judge(wantsOf(head), useOf(state, head), (pool) => reserved.get(pool))
}

function grantHead(pass: Pass, head: Waiting, pools: readonly Pool[]): void {
  const { accounts } = head.lane.shape
  pass.grants.push(grant(pass.state, head, pools))
  for (const account of accounts) noteDue(pass, account)
}

/** D2, D4. */
function reserveFor(
  { state, reserved, blocked }: Pass,
  head: Waiting,
  { pools, blocking, startAtMs }: Blocked,
): void {
  head.blocking = blocking
  blocked.push(head.lane)
  if (startAtMs === null) return
  state.startAtMs = Math.min(state.startAtMs ?? startAtMs, startAtMs)
  for (const [at, pool] of pools.entries()) {
    if (!reserved.has(pool)) reserved.set(pool, { units: head.demand[at]?.[1] ?? 0, startAtMs })
  }
}

function putAside({ aside }: Pass, lane: Lane): void {
  setAside(lane)
  aside.push(lane)
}

/** D3: true where the shape is closed for this pass. Who is not looked at may start when what is exhausted opens (D4). */
function closeIfExhausted({ state, open, reserved, seen }: Pass, head: Waiting): boolean {
  const { shape } = head.lane
  const { nowMs } = state
  const opening = wantsOf(head).map((want) => opensAt(want, useOf(state, head), (pool) => reserved.get(pool)))
  const isExhausted = opening.some((timeMs) => timeMs !== nowMs)
  if (isExhausted && shape.ageing.size + shape.capped.size > 1 && !opening.includes(null)) {
    const opensMs = Math.max(...opening.map((timeMs) => timeMs ?? nowMs))
    state.startAtMs = Math.min(state.startAtMs ?? opensMs, opensMs)
  }
  const looks = (seen.get(shape) ?? 0) + 1
  seen.set(shape, looks)
  const isClosed = looks > BACKFILL_DEPTH_MAX || isExhausted
  if (isClosed) open.delete(shape)
  return isClosed
}

function useOf({ nowMs }: LimiterState, { leaseMs }: Waiting): { atMs: number; untilMs: number } {
  return { atMs: nowMs, untilMs: nowMs + leaseMs }
}
