// Grants whatever may start now, the best first.
//
// D1  Next is who is due in a guaranteed share, else the best head by score among the lanes that compete; it is granted
//     if it fits.
// D2  A blocked head reserves each of its resources that nobody before it has reserved.
// D3  Behind a blocked head, at most BACKFILL_DEPTH_MAX heads of the same shape are looked at; none where a resource
//     of theirs is exhausted, but for the first, which may have other resources to reserve.
// D4  After it, `startAtMs` is the earliest time at which a head that was found blocked may start, be due, or let others
//     go first because its own start moves.
// D6  For whom a share serves next but whom its credit does not cover yet, the shared pool is kept from when it will.
// D7  Who is granted has nothing reserved any more.
// D8  Passes go on until one grants nobody: a second drain at the same time finds nobody either.
// D9  A grant to whom a share serves next counts as the share's, also where it came by score before the credit covers it.
// D5  Who is due but waits for another resource holds up at most SHARE_DEPTH_MAX others of the share.

import { PARTS_PER_WHOLE } from '../domain/limit.ts'
import { sharedUnits, type Account } from './account.ts'
import type { LimiterState } from './book.ts'
import { grant } from './grant.ts'
import { coversAtMs, creditAt, forgive } from './order/credit.ts'
import {
  chargeShare,
  flowOf,
  nextFlow,
  placeFlow,
  setFlowAside,
  tierQueueOf,
  type Due,
  type Flow,
  type TierQueue,
} from './order/guaranteed.ts'
import { judge, movesAtMs, opensAt, type Claim, type Trial, type Verdict } from './order/judge.ts'
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
  readonly open: Set<Shape>
  /** Resources in whose guaranteed share somebody may be due; those whose share can give nothing more in this pass. */
  readonly due: Set<Account>
  readonly spent: Set<Account>
  readonly claims: Map<Pool, Claim[]>
  readonly seen: Map<Shape, number>
  /** Heads that were found blocked. */
  blocked: number
  /** Taken out until the pass ends. */
  readonly aside: Lane[]
  readonly flowsAside: { readonly queue: TierQueue; readonly flow: Flow }[]
}

export function drain(state: LimiterState): readonly Granted[] {
  const grants: Granted[] = []
  while (sweep(state, grants));
  return grants
}

/**
 * One pass. True where another has to follow (D8): it granted somebody, and somebody was found blocked by what may be
 * otherwise now: a claim, a cap, a loan.
 */
function sweep(state: LimiterState, grants: Granted[]): boolean {
  state.startAtMs = null
  if (state.paused) return false
  const grantsBefore = grants.length
  const pass: Pass = {
    state,
    grants,
    blocked: 0,
    open: new Set(state.shapes.values()),
    due: new Set(),
    spent: new Set(),
    claims: new Map(),
    seen: new Map(),
    aside: [],
    flowsAside: [],
  }
  // In the order of the configuration.
  for (const account of state.accounts.values()) noteDue(pass, account)
  do serveDue(pass)
  while (serveBest(pass))
  serveEarly(pass)
  for (const lane of pass.aside) place(state, lane)
  for (const { queue, flow } of pass.flowsAside) placeFlow(queue, flow)
  return pass.claims.size + pass.blocked > 0 && grants.length > grantsBefore
}

function noteDue({ due, spent }: Pass, account: Account): void {
  if (account.waiting > 0 && account.share.terms.part > 0 && !spent.has(account)) due.add(account)
}

function creditOf({ nowMs }: LimiterState, { share }: Account): number {
  return creditAt(share.credit, share.terms, nowMs)
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
  // Who starves does not wait for what others were granted in advance.
  if (flow.starving > 0) forgive(account.share.credit, account.share.terms, pass.state.nowMs)
  if (creditOf(pass.state, account) < units * PARTS_PER_WHOLE) {
    claimNext(pass, account, due)
    return 'nobody'
  }
  const verdict = verdictOn(pass, head)
  if (verdict.kind === 'fits') {
    chargeShare(account.share, due, weightOf(queue.tier))
    grantHead(pass, head, verdict.pools)
    return 'granted'
  }
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

/** D6. Everybody may use the shared pool, which is the first. */
function claimNext(pass: Pass, account: Account, { head, units }: Due): void {
  const { state } = pass
  const { pools, share } = account
  const [shared] = pools
  const startAtMs = coversAtMs(share.credit, share.terms, units, state.nowMs)
  if (shared === undefined || startAtMs === null) return
  claim(pass, shared, { kind: 'next', by: head, units, startAtMs, isHeldByClaims: false })
  wakeAt(state, startAtMs)
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

/** D9: nobody better can start. Its shape may be closed for what is kept for it. */
function serveEarly(pass: Pass): void {
  const kept = [...pass.claims.values()].flat().filter(({ kind }) => kind === 'next')
  for (const { by } of kept) {
    // One that is set aside was found blocked in this pass.
    if (pass.state.reservations.get(by.id) !== by || by.lane.orderPlace.index < 0) continue
    const verdict = verdictOn(pass, by)
    if (verdict.kind === 'fits') grantHead(pass, by, verdict.pools)
    else reserveFor(pass, by, verdict)
  }
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

function verdictOn(pass: Pass, head: Waiting): Verdict {
  return judge(wantsOf(head), trialOf(pass, head))
}

function trialOf({ state: { nowMs }, claims }: Pass, asker: Waiting): Trial {
  return {
    asker,
    atMs: nowMs,
    untilMs: nowMs + asker.leaseMs,
    claimsOn: (pool) => claims.get(pool) ?? NO_CLAIMS,
  }
}

const NO_CLAIMS: readonly Claim[] = []

/** A pool has one claim of each kind: the first that was found blocked, the last that is served next. */
function claim({ claims }: Pass, pool: Pool, made: Claim): void {
  const known = claims.get(pool) ?? NO_CLAIMS
  const same = known.find(({ kind }) => kind === made.kind)
  if (same !== undefined && (same.kind === 'best' || same.by === made.by)) return
  // Behind all that is claimed.
  claims.set(pool, [...known.filter((one) => one !== same), made])
}

function grantHead(pass: Pass, head: Waiting, pools: readonly Pool[]): void {
  const { accounts, pools: mayUse } = head.lane.shape
  if (pass.claims.size > 0) {
    for (const account of accounts) chargeEarly(pass, account, head)
    for (const some of mayUse) for (const pool of some) dropClaim(pass, pool, head)
  }
  pass.grants.push(grant(pass.state, head, pools))
  for (const account of accounts) noteDue(pass, account)
}

/** D9. */
function chargeEarly({ state, claims }: Pass, account: Account, head: Waiting): void {
  const [shared] = account.pools
  const made = shared && claims.get(shared)
  if (made?.some(({ kind, by }) => kind === 'next' && by === head) !== true) return
  const { tier, client } = head.lane
  const queue = tierQueueOf(account.share, tier)
  const due = { queue, flow: flowOf(queue, client.id), head, units: unitsOn(account, head) }
  chargeShare(account.share, due, state.tiers.get(tier)?.weight ?? 1)
}

/** D7. */
function dropClaim({ claims }: Pass, pool: Pool, head: Waiting): void {
  const known = claims.get(pool)
  if (known?.some(({ by }) => by === head) !== true) return
  claims.set(
    pool,
    known.filter(({ by }) => by !== head),
  )
}

/** D2, D4. */
function reserveFor(pass: Pass, head: Waiting, verdict: Blocked): void {
  const { pools, blocking, startAtMs, isHeldByClaims } = verdict
  const { state } = pass
  head.blocking = blocking
  pass.blocked += 1
  if (startAtMs === null) return
  wakeAt(state, startAtMs)
  wakeAt(state, verdict.changesMs)
  wakeAt(state, movesAtMs(pools, head.demand, { startAtMs, trial: trialOf(pass, head) }))
  for (const [at, pool] of pools.entries()) {
    claim(pass, pool, { kind: 'best', by: head, units: head.demand[at]?.[1] ?? 0, startAtMs, isHeldByClaims })
  }
}

function wakeAt(state: LimiterState, atMs: number | null): void {
  if (atMs !== null) state.startAtMs = Math.min(state.startAtMs ?? atMs, atMs)
}

function putAside({ aside }: Pass, lane: Lane): void {
  setAside(lane)
  aside.push(lane)
}

/** D3: true where the shape is closed for this pass. Who is not looked at may start when what is exhausted opens (D4). */
function closeIfExhausted(pass: Pass, head: Waiting): boolean {
  const { state, open, seen } = pass
  const { shape } = head.lane
  const { nowMs } = state
  // Whatever the lease: others may hold theirs for less long than this one, and so end before a claim begins.
  const trial = { ...trialOf(pass, head), untilMs: nowMs + 1 }
  const opening = wantsOf(head).map((want) => opensAt(want, trial))
  const isExhausted = opening.some((timeMs) => timeMs !== nowMs)
  if (isExhausted && shape.ageing.size + shape.capped.size > 1 && !opening.includes(null)) {
    wakeAt(state, Math.max(...opening.map((timeMs) => timeMs ?? nowMs)))
  }
  const looks = (seen.get(shape) ?? 0) + 1
  seen.set(shape, looks)
  const isClosed = looks > BACKFILL_DEPTH_MAX || isExhausted
  if (isClosed) open.delete(shape)
  return isClosed
}
