// The state never grows beyond what a continued run can be given: what is weighed is never less than what is written.

import * as fc from 'fast-check'
import { randomUUID } from 'node:crypto'
import { expect, test } from 'vitest'
import { CONTINUED_BYTES_MAX } from '../../limiter/book.ts'
import { isIdle } from '../../limiter/client.ts'
import type { LimiterEvent, Reserve } from '../../limiter/event.ts'
import { createState, encode, restore, type LimiterSnapshot, type LimiterState } from '../../limiter/state.ts'
import { step } from '../../limiter/step.ts'
import {
  boundless,
  configuration,
  limiter,
  lives,
  reserve,
  resource,
  run,
  slots,
  T0,
  told,
  window,
  WORLD,
} from './fixture.ts'
import { crowds, worlds } from './worlds.ts'
import { runs } from '../support/runs.ts'

function written(value: unknown): number {
  return JSON.stringify(value).length
}

function throughJson(state: LimiterState): LimiterState {
  const snapshot: LimiterSnapshot = JSON.parse(JSON.stringify(encode(state)))
  return restore(snapshot)
}

/** What those who wait and those who hold leases take, with their clients and their places in the shares. */
function writtenForReservations(state: LimiterState): number {
  const { lanes, granted, clients, accounts } = encode(state)
  const isBusy = (id: string): boolean => {
    const client = state.clients.get(id)
    return client !== undefined && !isIdle(client)
  }
  const flows = accounts.flatMap(([{ id }, , , [, , tiers]]) =>
    tiers.flatMap(([tier, , , list]) =>
      list.filter(
        ([client]) => (state.accounts.get(id)?.share.tiers.get(tier)?.flows.get(client)?.lanes.size ?? 0) > 0,
      ),
    ),
  )
  const brackets = 2
  return [lanes, granted, clients.filter(([id]) => isBusy(id)), flows].reduce(
    (sum, list) => sum + written(list) - brackets,
    0,
  )
}

/** Of an ended generation: its time and its lists. */
const GENERATION_BYTES = 40

const anyWorld = fc.oneof(
  worlds(60),
  crowds(60),
  lives(80).map((events) => ({ resources: WORLD, events })),
)

test('BY1 whatever happens, what is weighed is at least what is written, the same over JSON, and nothing once all have gone', () => {
  fc.assert(
    fc.property(anyWorld, ({ resources, events }) => {
      const state = limiter(...resources)
      for (const event of events) {
        step(state, event)
        expect(writtenForReservations(state)).toBeLessThanOrEqual(state.bytes)
        const { clients, endings } = encode(state)
        expect(written(clients)).toBeLessThanOrEqual(state.clientsBytes + 2)
        expect(written(endings)).toBeLessThanOrEqual(
          state.endings.bytes + endings.length * GENERATION_BYTES + 2,
        )
      }
      const { bytes, clientsBytes, endings } = throughJson(state)
      expect([bytes, clientsBytes, endings.bytes]).toEqual([
        state.bytes,
        state.clientsBytes,
        state.endings.bytes,
      ])
      for (const { id } of state.reservations.values()) run(state, { kind: 'cancel', atMs: 0, id })
      run(state, { kind: 'pause', atMs: 0, paused: true })
      run(state, { kind: 'tick', atMs: state.nowMs + 100_000_000 })
      expect([state.reservations.size, state.bytes]).toEqual([0, 0])
    }),
    runs(150),
  )
})

type Crowd = {
  readonly resourceIds: readonly string[]
  readonly idOf: (nth: number) => string
  readonly clientOf: (nth: number) => string
  /** About as many as may wait. */
  readonly atLeast: number
}

const long = (name: string): string => name.padEnd(128, '.')
const FIVE = ['a', 'b', 'c', 'd', 'e']

const CROWDS: Readonly<Record<string, Crowd>> = {
  'UUIDs of 50 clients that want one resource': {
    resourceIds: ['openai/gpt-4/tokens'],
    idOf: () => `${randomUUID()}#1`,
    clientOf: (nth) => `client-${nth % 50}`,
    atLeast: 6_500,
  },
  'ids of 128 characters that want five resources with such names': {
    resourceIds: FIVE.map(long),
    idOf: (nth) => long(`r${nth}-`),
    clientOf: (nth) => `client-${nth % 50}`,
    atLeast: 3_000,
  },
  'each a client of its own, with an id of 128 characters': {
    resourceIds: FIVE.map(long),
    idOf: (nth) => long(`r${nth}-`),
    clientOf: (nth) => long(`c${nth}-`),
    atLeast: 400,
  },
}

/** Everything in its place: 25,000 have ended, half of them by their leases, and as many wait as may. */
function filled({ resourceIds, idOf, clientOf }: Crowd): { state: LimiterState; refused: LimiterEvent } {
  const limits = [slots(1, 'reservation'), window(1_000_000_000, 60_000)]
  const more = { maxQueue: 1_000_000, maxWaitMs: 1e10, guaranteedShare: 2_500 }
  const state = createState()
  step(state, configuration(resourceIds.map((id) => resource(id, limits, more))))
  const demand = resourceIds.map((id) => [id, 999_999_999] as const)
  const ask = (nth: number, part: Partial<Reserve>): Reserve =>
    reserve(idOf(nth), nth, 0, { demand, clientId: clientOf(nth), waitUntilMs: T0 + 1e10, ...part })
  for (let nth = 0; nth < 12_500; nth += 1) {
    run(state, ask(nth, { demand: [], leaseMs: 1 }), { kind: 'cancel', atMs: T0 + nth, id: idOf(-1 - nth) })
  }
  for (let nth = 12_500; ; nth += 1) {
    const event = ask(nth, { leaseMs: 3_600_000 })
    if (told(run(state, event)).includes(`rejected ${event.id}`)) return { state, refused: event }
  }
}

test.each(Object.entries(CROWDS))(
  'BY2 one more is refused with queue-full before the state is more than a continued run can be given: %s',
  (_name, crowd) => {
    const { state, refused } = filled(crowd)
    const { size } = state.reservations
    const [resourceId] = crowd.resourceIds
    expect(run(state, refused)).toMatchObject([
      { kind: 'rejected', rejection: { reason: 'queue-full', resourceId, size } },
    ])
    expect(size).toBeGreaterThan(crowd.atLeast)
    // A quarter is for the rest, of which there is little here.
    const bytes = written(encode(state))
    expect(bytes).toBeLessThanOrEqual((CONTINUED_BYTES_MAX * 7) / 8)
    expect(written(encode(throughJson(state)))).toBe(bytes)
  },
)

test('BY2 all that wait may start at once: endings give way to leases', () => {
  const crowd = CROWDS['UUIDs of 50 clients that want one resource'] as Crowd
  const { state } = filled(crowd)
  const waiting = [...state.reservations.values()].filter(({ kind }) => kind === 'waiting').length
  const before = state.endings.bytes
  const [id = ''] = crowd.resourceIds
  const open = resource(id, [window(Number.MAX_SAFE_INTEGER, 60_000)])
  const effects = step(state, configuration([open], { version: 2, atMs: state.nowMs }))
  expect(effects.filter(({ kind }) => kind === 'granted')).toHaveLength(waiting)
  expect(state.endings.bytes).toBeLessThan(before)
  expect(written(encode(state))).toBeLessThanOrEqual(CONTINUED_BYTES_MAX)
})

test('BY2 whoever leaves makes room for the next', () => {
  const { state, refused } = filled(CROWDS['UUIDs of 50 clients that want one resource'] as Crowd)
  const waiting = [...state.reservations.values()].filter(({ kind }) => kind === 'waiting')
  for (const { id } of waiting.slice(0, 3)) run(state, { kind: 'cancel', atMs: 0, id })
  expect(run(state, refused)).toMatchObject([{ kind: 'queued' }])
})

test('BY2 a state that nothing carries on is bounded by its queues alone', () => {
  const state = boundless(resource('gpt', [slots(1)], { maxQueue: 20_000 }))
  for (let nth = 0; nth <= 20_000; nth += 1) run(state, reserve(`r${nth}`, 0, 1))
  expect(run(state, reserve('more', 0, 1))).toMatchObject([
    { kind: 'rejected', rejection: { reason: 'queue-full', size: 20_000 } },
  ])
})
