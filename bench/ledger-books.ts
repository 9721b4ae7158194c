// The ledger as its benchmark sees it: clients whose budgets fit a number of requests to the nano-dollar, and the proof
// afterwards that the sums are exact.

import assert from 'node:assert/strict'
import { checkLedger } from '../activities/ledger/check.ts'
import { openDatabase, type Sql } from '../activities/ledger/database.ts'
import { putBudgets } from '../activities/ledger/put-budgets.ts'
import { putClient } from '../activities/ledger/put-client.ts'
import { putPrice } from '../activities/ledger/put-price.ts'
import { putResource } from '../activities/ledger/put-resource.ts'
import { putTier } from '../activities/ledger/put-tier.ts'
import { recordEffects } from '../activities/ledger/record-effects.ts'
import { release } from '../activities/ledger/release.ts'
import type { ReservationAsk } from '../domain/ask.ts'
import type { Budget } from '../domain/budget.ts'
import { costOf } from '../domain/money.ts'
import { PRICE_DEFAULTS } from '../domain/price.ts'
import { RESOURCE_DEFAULTS } from '../domain/resource.ts'
import { NO_SCOPE } from '../domain/scope.ts'
import { TIER_DEFAULTS } from '../domain/tier.ts'
import type { Effect } from '../limiter/effect.ts'
import { measure, type Load, type Measured } from './load.ts'

/** Callers, and clients. */
export const CALLERS = 100
export const CONNECTIONS = 20
const SURPLUS = 50
const RESOURCE = 'bench/tokens'
const PER_UNIT_USD = '0.000001234567891'
const UNITS = 7
const COST_NANO_USD = costOf(UNITS, PER_UNIT_USD)
const ACTOR = 'bench'
const UNCAPPED = { maxConcurrent: null, dailyRequests: null, priorityMax: 'urgent' } as const

type Admit = (sql: Sql, ask: ReservationAsk, atMs: number) => Promise<{ readonly kind: string }>

/** The ledger, with what is known of it from outside. */
export class Books {
  readonly url: string
  sql: Sql
  #books = 0

  private constructor(url: string, sql: Sql) {
    this.url = url
    this.sql = sql
  }

  static async open(url: string): Promise<Books> {
    const sql = openDatabase(url, { max: CONNECTIONS })
    const limits = [{ type: 'sliding-window', units: 1_000_000, windowMs: 60_000 }] as const
    const maxQueue = 100_000
    await putResource(sql, { ...RESOURCE_DEFAULTS, id: RESOURCE, unit: 'tokens', limits, maxQueue }, ACTOR)
    const terms = { ...PRICE_DEFAULTS, perUnitUsd: PER_UNIT_USD, effectiveFromMs: 0, source: ACTOR }
    await putPrice(sql, { resourceId: RESOURCE, ...terms }, ACTOR)
    await putTier(sql, { id: 'bench', points: 20, weight: 2, ...TIER_DEFAULTS }, ACTOR)
    return new Books(url, sql)
  }

  /** New connections, on which a commit takes this long. */
  async setCommits(ms: number): Promise<void> {
    await this.sql.unsafe(`alter role current_user set commit_delay = ${ms * 1_000}`)
    await this.sql.unsafe(`alter role current_user set commit_siblings = 0`)
    await this.sql.end()
    this.sql = openDatabase(this.url, { max: CONNECTIONS })
  }

  /** Clients that may admit `count` requests together, and not one more. */
  async open({ isShared }: { readonly isShared: boolean }, count: number): Promise<Round> {
    this.#books += 1
    const prefix = `book-${this.#books}`
    const each = (count / CALLERS) * COST_NANO_USD
    for (let nth = 0; nth < CALLERS; nth += 1) {
      const id = `${prefix}-${nth}`
      await putClient(this.sql, { ...UNCAPPED, id, tier: 'bench' }, [budgetOf(id, each)], ACTOR)
    }
    const above = isShared ? [budgetOf('global', (await this.#taken('global')) + count * COST_NANO_USD)] : []
    const by = { actor: ACTOR, mayRaise: true, atMs: Date.now() }
    await putBudgets(this.sql, { scope: 'global', budgets: above, carveOuts: [] }, by)
    return new Round(this, prefix, count)
  }

  async close(): Promise<void> {
    await this.sql.end()
  }

  async #taken(scope: string): Promise<number> {
    const [{ taken }] = await this.sql<[{ taken: number }]>`
      select coalesce(sum(held + used), 0)::bigint as taken
      from budget_period p join budget b on b.id = p.budget_id where b.scope = ${scope}`
    return taken
  }
}

function budgetOf(scope: string, amount: number): Budget {
  return { scope, unit: 'USD', amount, period: 'total', timezone: 'UTC', enforcement: 'hard' }
}

/** One round of an arm: `count` requests over the clients of a prefix. */
class Round {
  readonly #books: Books
  readonly #prefix: string
  readonly #count: number

  constructor(books: Books, prefix: string, count: number) {
    this.#books = books
    this.#prefix = prefix
    this.#count = count
  }

  async measureAdmissions(how: Admit, callers: number): Promise<Measured> {
    const once: Load['once'] = async (nth) =>
      (await how(this.#books.sql, this.#ask(nth), Date.now())).kind === 'admitted'
    const measured = await measure({ callers, count: this.#count, once })
    assert.equal(measured.failures, 0, 'a budget that was sized to fit refused')
    return measured
  }

  /** No budget has room for one more, and the holds are exact. */
  async prove(how: Admit): Promise<void> {
    const surplus = Array.from({ length: SURPLUS }, (_, nth) => this.#ask(this.#count + nth))
    const outcomes = await Promise.all(surplus.map((ask) => how(this.#books.sql, ask, Date.now())))
    assert(
      outcomes.every(({ kind }) => kind === 'refused'),
      'more was admitted than the budgets have',
    )
    await this.#proveSums({ held: this.#count * COST_NANO_USD, used: 0 })
  }

  async grantAll(): Promise<void> {
    const atMs = Date.now()
    const grants = Array.from({ length: this.#count }, (_, nth): Effect => ({
      kind: 'granted',
      id: `${this.#id(nth)}#1`,
      atMs,
      startByMs: atMs + 60_000,
      expiresAtMs: atMs + 60_000,
      demand: [[RESOURCE, UNITS]],
      waitedFor: null,
      configVersion: 1,
    }))
    for (let from = 0; from < grants.length; from += 200) {
      await recordEffects(this.#books.sql, grants.slice(from, from + 200))
    }
  }

  async measureSettlements(): Promise<Measured> {
    const once: Load['once'] = async (nth) => {
      const reservationId = this.#id(nth)
      const given = { reservationId, actual: { [RESOURCE]: UNITS - 1 }, costNanoUsd: null } as const
      const released = { ...given, outcome: 'success', contentHash: 'hash' } as const
      return (await release(this.#books.sql, released, Date.now())).kind === 'settled'
    }
    const measured = await measure({ callers: CALLERS, count: this.#count, once })
    assert.equal(measured.failures, 0, 'a reservation was not settled')
    return measured
  }

  async proveSettled(): Promise<void> {
    await this.#proveSums({ held: 0, used: this.#count * costOf(UNITS - 1, PER_UNIT_USD) })
    assert.deepEqual(await checkLedger(this.#books.sql), [], 'the books differ')
  }

  /** The sums over the budgets of this round's clients, to the nano-dollar. */
  async #proveSums(want: { readonly held: number; readonly used: number }): Promise<void> {
    const [sums] = await this.#books.sql<[{ held: number; used: number }]>`
      select sum(held)::bigint as held, sum(used)::bigint as used
      from budget_period p join budget b on b.id = p.budget_id
      where b.scope like ${`${this.#prefix}-%`}`
    assert.deepEqual({ ...sums }, want)
  }

  #id(nth: number): string {
    return `${this.#prefix}-request-${nth}`
  }

  #ask(nth: number): ReservationAsk {
    return {
      kind: 'reservation',
      id: this.#id(nth),
      bodyHash: 'hash',
      clientId: `${this.#prefix}-${nth % CALLERS}`,
      urgency: 'normal',
      scope: NO_SCOPE,
      maxWaitMs: null,
      resources: { [RESOURCE]: UNITS },
      costNanoUsd: null,
      ttlMs: 60_000,
    }
  }
}
