// Admission: a transaction that prices, checks and holds everything for the requests that came together, or leaves
// their refusals. Each is judged in the order of its arrival, exactly as alone.
//
// A1  All holds of a request are taken, in every budget above it, or none.
// A2  An id is admitted once. A workflow that asks again while its request is open gets the plan again.
// A3  A refused id may be tried again and is judged anew, under its next generation.
// A4  A request counts toward its client's day under a lock of the client, so that a day is never overfull.
// A5  Where an id was taken while the batch was judged, nothing is written, and each is judged alone: what the taken
//     one would have held is not there to refuse another.

import type { Admission, Plan } from '../../domain/admission.ts'
import { judge, type Draft } from '../../domain/admit.ts'
import type { Ask } from '../../domain/ask.ts'
import type { Budget } from '../../domain/budget.ts'
import type { Refusal } from '../../domain/failure.ts'
import { tierBudget } from '../../domain/hold.ts'
import { judgeInTurn, type Candidate, type Verdict } from '../../domain/in-turn.ts'
import { budgetsToHold, holdsOf, periodsToLock, type KeptBudget } from './budgets-to-hold.ts'
import { Coalescer, perPool } from './coalescer.ts'
import { clientDay, countToday } from './count-today.ts'
import type { Sql, Transaction } from './database.ts'
import { insertRequests, type NewRequest } from './insert-requests.ts'
import { lockBalances } from './lock-balances.ts'
import { QueueDepths } from './queue-depths.ts'
import { readFacts, type Arrival, type LedgerFacts } from './read-facts.ts'
import { recordExhaustion } from './record-exhaustion.ts'
import { readKnown } from './read-known.ts'
import { budgetKey, makeTierBudgets } from './tier-budgets.ts'

const BATCH_MAX = 100
/** While one commits, the next one is judged. */
const BATCHES_IN_FLIGHT_MAX = 2

export async function admit(sql: Sql, ask: Ask, atMs: number): Promise<Admission> {
  return await arrivalsAt(sql).submit({ ask, atMs })
}

const arrivalsAt = perPool(
  (sql) =>
    new Coalescer<Arrival, Admission>({
      run: (arrivals) => admitTogether(sql, arrivals),
      keyOf: ({ ask }) => ask.id,
      batchMax: BATCH_MAX,
      inFlightMax: BATCHES_IN_FLIGHT_MAX,
    }),
)

const depthsAt = perPool(() => new QueueDepths())

async function admitTogether(sql: Sql, arrivals: readonly Arrival[]): Promise<readonly Admission[]> {
  const decided = await sql.begin((tx) => decide(tx, arrivals, depthsAt(sql)))
  const taken = arrivals.filter((_, nth) => decided[nth] === undefined)
  const known = await readKnown(
    sql,
    taken.map(({ ask }) => ask),
  )
  return arrivals.map(({ ask }, nth) => {
    const admission = decided[nth] ?? known.get(ask.id)
    if (admission === undefined) throw new Error(`${ask.id} was taken, and is gone`)
    return admission
  })
}

/** In the order of the arrivals; undefined where the id is taken. */
async function decide(
  tx: Transaction,
  arrivals: readonly Arrival[],
  depths: QueueDepths,
): Promise<readonly (Admission | undefined)[]> {
  const facts = await readFacts(tx, arrivals)
  const places = arrivals.map((arrival, nth) => placeOf(arrival, facts[nth]))
  const drafted = places.filter((place) => place.kind === 'drafted')
  const candidates = await withBudgets(tx, drafted)
  const verdicts = judgeInTurn(candidates, await standingOf(tx, candidates, depths))
  const verdictOf = new Map(drafted.map((place, nth) => [place as Place, verdicts[nth]]))
  const requests = places.map((place) => requestOf(place, verdictOf.get(place)))
  const news = requests.filter((one) => one !== null)
  const written = await insertRequests(tx, news)
  if (arrivals.length > 1 && written.size < news.length) throw new Error('an id was taken meanwhile') // A5
  await recordExhaustion(tx, news)
  for (const one of news) {
    if (one.kind === 'admitted' && one.plan.deferUntilMs === null)
      depths.add(one.draft.demand.map(([id]) => id))
  }
  return requests.map((one) => (one !== null && written.has(one.ask.id) ? admissionOf(one) : undefined))
}

/** How far an ask gets by what is known of its names. */
type Place =
  | { readonly kind: 'taken' }
  | {
      readonly kind: 'refused'
      readonly arrival: Arrival
      readonly known: LedgerFacts
      readonly refusal: Refusal
    }
  | Drafted

type Drafted = {
  readonly kind: 'drafted'
  readonly arrival: Arrival
  readonly known: LedgerFacts
  readonly draft: Draft
}

function placeOf(arrival: Arrival, known: LedgerFacts | undefined): Place {
  if (known === undefined) throw new Error(`nothing is known of ${arrival.ask.id}`)
  const { previous, facts } = known
  if (previous !== null && previous.state !== 'refused') return { kind: 'taken' }
  const judgement = judge(arrival.ask, facts, arrival.atMs)
  if (judgement.kind === 'refused') return { ...judgement, arrival, known }
  return { kind: 'drafted', arrival, known, draft: judgement.draft }
}

/** With the budgets that apply, root first; a tier's gets its row when it is first used. */
async function withBudgets(
  tx: Transaction,
  drafted: readonly Drafted[],
): Promise<readonly Candidate<KeptBudget>[]> {
  const implicit = drafted.map(({ draft, known }) =>
    tierBudget(
      draft.client,
      draft.tier,
      known.budgets.filter(({ source }) => source === 'own'),
    ),
  )
  const missing = implicit.filter(
    (budget, nth) => budget !== null && rowOfTier(drafted[nth], budget) === undefined,
  )
  const made = await makeTierBudgets(
    tx,
    missing.filter((budget) => budget !== null),
  )
  return drafted.map((place, nth) => {
    const { draft, known, arrival } = place
    const { atMs } = arrival
    const budget = implicit[nth] ?? null
    const id = budget === null ? null : (rowOfTier(place, budget)?.id ?? made.get(budgetKey(budget)))
    const ofTier = budget === null || id === undefined || id === null ? null : { ...budget, id }
    return {
      draft,
      resources: known.facts.resources,
      budgets: budgetsToHold(known.budgets, ofTier, atMs),
      atMs,
      dayKey: clientDay(draft.client.id, atMs).key,
    }
  })
}

function rowOfTier(place: Drafted | undefined, budget: Budget) {
  return place?.known.budgets.find((row) => budgetKey(row) === budgetKey(budget))
}

/** Reads what they ask of, and locks it, in the order of B3 (lock-balances.ts). */
async function standingOf(
  tx: Transaction,
  candidates: readonly Candidate<KeptBudget>[],
  depths: QueueDepths,
) {
  const waiting = await depths.waiting(
    tx,
    candidates.flatMap(({ draft, resources }) =>
      draft.demand.map(([id]) => [id, resources[id]?.maxQueue ?? 0] as const),
    ),
  )
  const limited = candidates.filter(({ draft }) => draft.client.dailyRequests !== null)
  const today = await countToday(
    tx,
    limited.map(({ draft, atMs }) => clientDay(draft.client.id, atMs)),
  )
  const periods = candidates.flatMap(({ budgets, atMs }) =>
    budgets.flatMap((budget) => periodsToLock(budget, atMs)),
  )
  return { waiting, today, balances: await lockBalances(tx, periods) }
}

/** The row to write; null where the id is taken. */
function requestOf(place: Place, verdict: Verdict<KeptBudget> | undefined): NewRequest | null {
  if (place.kind === 'taken') return null
  const { arrival, known } = place
  const { ask, atMs } = arrival
  const generation = (known.previous?.generation ?? 0) + 1
  const refused = (refusal: Refusal, by: KeptBudget | null): NewRequest => {
    const { tier, configVersion } = known.facts
    return { kind: 'refused', ask, refusal, by, tier: tier?.id ?? null, generation, configVersion, atMs }
  }
  if (place.kind === 'refused') return refused(place.refusal, null)
  if (verdict === undefined) throw new Error(`${ask.id} was not judged`)
  if (verdict.kind === 'refused') return refused(verdict.refusal, verdict.by)
  const { draft } = place
  const holds = verdict.holds.flatMap(holdsOf)
  return { kind: 'admitted', ask, draft, plan: planOf(ask, draft, generation, atMs), holds }
}

function admissionOf(one: NewRequest): Admission {
  if (one.kind === 'refused') return { kind: 'refused', refusal: one.refusal }
  return { kind: 'admitted', plan: one.plan }
}

function planOf(ask: Ask, draft: Draft, generation: number, atMs: number): Plan {
  const { client, tier, demandFrom: _demandFrom, longestWaitMs: _longestWaitMs, ...rest } = draft
  return { requestId: ask.id, generation, clientId: client.id, tier: tier.id, admittedAtMs: atMs, ...rest }
}
