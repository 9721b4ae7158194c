// Random lives of requests on random trees of scopes, beside a model that has no SQL, no holds table and no locks.

import fc from 'fast-check'
import { afterAll, expect, test } from 'vitest'
import { admit } from '../../activities/ledger/admit.ts'
import { checkLedger } from '../../activities/ledger/check.ts'
import { getBudgets } from '../../activities/ledger/get-budgets.ts'
import { recordEffects } from '../../activities/ledger/record-effects.ts'
import { release } from '../../activities/ledger/release.ts'
import { ancestorPaths, type Scope } from '../../domain/scope.ts'
import * as f from './fixture.ts'

const RUNS = 12
const OPERATIONS_MAX = 40

const ledger = await f.openLedger()
afterAll(async () => {
  await ledger.close()
})

type Operation =
  | { readonly kind: 'reserve'; readonly leaf: number; readonly units: number; readonly day: number }
  | { readonly kind: 'release'; readonly nth: number; readonly units: number; readonly twice: boolean }
  | { readonly kind: 'expire'; readonly nth: number }

const operation: fc.Arbitrary<Operation> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('reserve' as const),
      leaf: fc.nat(3),
      units: fc.integer({ min: 1, max: 30 }),
      day: fc.nat(1),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('release' as const),
      nth: fc.nat(40),
      units: fc.nat(40),
      twice: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('expire' as const), nth: fc.nat(40) }) },
)

const LEAVES: readonly Scope[] = [
  { session: null, swarm: null, run: null, step: null },
  { session: 'a', swarm: null, run: null, step: null },
  { session: 'a', swarm: 'x', run: null, step: null },
  { session: 'b', swarm: 'x', run: 'r', step: 's' },
]

/** Amounts by scope: units a day, for all, in the model’s only table. */
type Model = {
  readonly limits: ReadonlyMap<string, number>
  /** What counts, by scope and day. */
  readonly taken: Map<string, number>
  readonly open: {
    id: string
    paths: readonly string[]
    day: number
    units: number
    isLive: boolean
    isTold: boolean
  }[]
}

function fits({ limits, taken }: Model, paths: readonly string[], day: number, units: number): boolean {
  return paths.every((path) => (taken.get(`${path} ${day}`) ?? 0) + units <= (limits.get(path) ?? Infinity))
}

function take({ limits, taken }: Model, paths: readonly string[], day: number, units: number): void {
  for (const path of paths.filter((one) => limits.has(one))) {
    taken.set(`${path} ${day}`, (taken.get(`${path} ${day}`) ?? 0) + units)
  }
}

let trees = 0

async function perform(model: Model, clientId: string, op: Operation): Promise<void> {
  if (op.kind === 'reserve') {
    const scope = LEAVES[op.leaf] ?? LEAVES[0]
    if (scope === undefined) return
    const paths = ancestorPaths(clientId, scope)
    const ask = f.reservation({ clientId, scope, resources: { [f.TOKENS]: op.units } })
    const atMs = f.NOON + op.day * 86_400_000
    const { kind } = await admit(ledger.sql, ask, atMs)
    expect(kind).toBe(fits(model, paths, op.day, op.units) ? 'admitted' : 'refused')
    if (kind !== 'admitted') return
    await recordEffects(ledger.sql, [f.granted(ask.id, atMs)])
    take(model, paths, op.day, op.units)
    model.open.push({ id: ask.id, paths, day: op.day, units: op.units, isLive: true, isTold: false })
    return
  }
  const one = model.open[op.nth % Math.max(1, model.open.length)]
  if (one === undefined) return
  if (op.kind === 'expire') {
    await recordEffects(ledger.sql, [f.effect('lease-expired', one.id)])
    if (one.isLive) take(model, one.paths, one.day, -one.units)
    one.isLive = false
    return
  }
  const given = {
    reservationId: one.id,
    actual: { [f.TOKENS]: op.units },
    costNanoUsd: null,
    outcome: 'success',
    contentHash: String(op.units),
  } as const
  const { kind } = await release(ledger.sql, given, f.NOON)
  if (one.isTold) {
    expect(['settled', 'conflict']).toContain(kind)
    return
  }
  expect(kind).toBe('settled')
  if (op.twice)
    expect(await release(ledger.sql, given, f.NOON)).toMatchObject({ kind: 'settled', replayed: true })
  take(model, one.paths, one.day, one.isLive ? op.units - one.units : op.units)
  one.isLive = false
  one.isTold = true
}

test('the ledger admits what the model admits, and has what the model has', async () => {
  const limits = fc.uniqueArray(
    fc.tuple(fc.constantFrom('', '/a', '/a/x', '/b/x/r', '/b/x/r/s'), fc.integer({ min: 20, max: 150 })),
    {
      selector: ([path]) => path,
      minLength: 1,
    },
  )
  const operations = fc.array(operation, { minLength: 10, maxLength: OPERATIONS_MAX })
  await fc.assert(
    fc.asyncProperty(limits, operations, async (tree, all) => {
      trees += 1
      const clientId = `tree-${trees}`
      await f.client(ledger.sql, { id: clientId })
      const model: Model = {
        limits: new Map(tree.map(([path, amount]) => [clientId + path, amount])),
        taken: new Map(),
        open: [],
      }
      for (const [scope, amount] of model.limits) {
        await f.putBudgets(ledger.sql, scope, [f.hard(scope, amount, { period: 'day' })])
      }
      for (const op of all) await perform(model, clientId, op)
      for (const scope of model.limits.keys()) {
        for (const day of [0, 1]) {
          const [standing] = await getBudgets(ledger.sql, scope, f.NOON + day * 86_400_000)
          expect((standing?.used ?? 0) + (standing?.held ?? 0)).toBe(model.taken.get(`${scope} ${day}`) ?? 0)
        }
      }
    }),
    { numRuns: RUNS },
  )
  expect(await checkLedger(ledger.sql)).toEqual([])
})
