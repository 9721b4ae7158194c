// The catalogue of list prices as rows of ours, and the command that imports and explains them, on a real ledger.

import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { calcPrice } from '@pydantic/genai-prices'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { configVersion } from '../../activities/ledger/read-config.ts'
import { putResource } from '../../activities/ledger/put-resource.ts'
import { decimalUnits, formatUsd } from '../../domain/money.ts'
import { priceDemand, type Prices } from '../../domain/price.ts'
import { toDemand } from '../../domain/resource.ts'
import { PROJECT } from '../../ops/environment.ts'
import { CATALOGUE, exactQuotient, modelFromCatalogue } from '../../ops/prices/catalogue.ts'
import { applyImport, planImport } from '../../ops/prices/import.ts'
import packageJson from '../../package.json' with { type: 'json' }
import * as f from '../ledger/fixture.ts'
import { createDatabase } from '../support/postgres.ts'

const NOW = Date.parse('2026-11-20T12:00:00Z')

function rowsOf(model: string, atMs = NOW) {
  const found = modelFromCatalogue(model, atMs)
  if (found === null) throw new Error(`the catalogue has no ${model}`)
  return found
}

/** The rows that hold at a moment, as the ledger would choose them. */
function pricesOf(model: string, atMs = NOW): Prices {
  const inForce = rowsOf(model).rows.filter(({ effectiveFromMs }) => effectiveFromMs <= atMs)
  const sorted = inForce.toSorted((a, b) => a.effectiveFromMs - b.effectiveFromMs)
  return Object.fromEntries(sorted.map((row, id) => [row.resourceId, { ...row, id }]))
}

function perMillion(model: string, resource: string, atMs = NOW, input = 1): string {
  const [id, whole] = [`${model}/${resource}`, `${model}/input-tokens`]
  const prices = pricesOf(model, atMs)
  const units = { ...(prices[whole] && { [whole]: input }), [id]: 1_000_000 }
  const priced = priceDemand(toDemand(units), prices, { atMs, freeUnits: {} })
  if (priced.kind !== 'priced') return priced.kind
  return formatUsd(priced.lines.find(({ item }) => item === id)?.costNanoUsd ?? (0 as never))
}

test('the version that is imported is the one that is installed', () => {
  expect(CATALOGUE.name).toContain(packageJson.dependencies['@pydantic/genai-prices'])
})

describe('G1: rows of the specification’s models, USD per million', () => {
  const peak = Date.parse('2026-11-23T02:00:00Z')
  const newYear = Date.parse('2027-01-01T00:00:00Z')
  const table: [model: string, resource: string, want: string, atMs?: number, input?: number][] = [
    ['openai/gpt-4', 'input-tokens', '30'],
    ['openai/gpt-4', 'output-tokens', '60'],
    ['openai/gpt-3.5-turbo', 'output-tokens', '1.5'],
    ['openai/gpt-4o', 'cache-read-tokens', '1.25'],
    ['openai/gpt-6-sol', 'output-tokens', '10', NOW, 272_000],
    ['openai/gpt-6-sol', 'output-tokens', '15', NOW, 272_001],
    ['openai/gpt-6-sol', 'cache-write-tokens', '2.5'],
    ['openai/gpt-5.6-luna', 'output-tokens', '1.2'],
    ['anthropic/claude-opus-5-5', 'cache-read-tokens', '0.2'],
    ['anthropic/claude-haiku-4-5', 'output-tokens', '5'],
    ['anthropic/claude-sonnet-4-6', 'output-tokens', '15', NOW, 300_000],
    ['google/gemini-3.7-flash', 'output-tokens', '3.75', newYear - 1],
    ['google/gemini-3.7-flash', 'output-tokens', '7.5', newYear],
    ['google/gemini-2.5-flash-lite', 'output-tokens', '0.4'],
    ['deepseek/deepseek-v4-flash', 'output-tokens', '0.66'],
    ['deepseek/deepseek-v4-flash', 'output-tokens', '1.32', peak],
    ['openai/whisper-1', 'seconds', '100'],
  ]
  test.each(table)('%s %s: %s', (model, resource, want, atMs, input) => {
    expect(perMillion(model, resource, atMs, input)).toBe(want)
  })
})

test('G2: what it prices at 0, or not at all, becomes no row', () => {
  expect(calcPrice({ input_tokens: 1_000 }, 'whisper-1', { providerId: 'openai' })?.total_price).toBe(0)
  expect(rowsOf('openai/whisper-1').rows.map(({ resourceId }) => resourceId)).toEqual([
    'openai/whisper-1/seconds',
  ])
  expect(modelFromCatalogue('openai/no-such-model', NOW)).toBeNull()
  expect(modelFromCatalogue('nobody/gpt-4', NOW)).toBeNull()
  expect(exactQuotient(0, 1_000_000)).toBeNull()
})

test('G3: nothing begins before the import, what is to come begins on its day', () => {
  const begins = rowsOf('google/gemini-3.7-flash').rows.map(({ effectiveFromMs }) => effectiveFromMs)
  expect([...new Set(begins)]).toEqual([NOW, Date.parse('2027-01-01T00:00:00Z')])
  expect(rowsOf('openai/o3').rows.every(({ effectiveFromMs }) => effectiveFromMs === NOW)).toBe(true)
})

test('what it says and our rows do not is told', () => {
  expect(rowsOf('deepseek/deepseek-v4-flash').doubts.join()).toMatch(/weekends/)
})

describe('G1: a float is the decimal that was written', () => {
  test.each<[number, number, string | null]>([
    [2.5, 1_000_000, '0.0000025'],
    [0.0028, 1_000_000, '0.0000000028'],
    [0.36, 3_600, '0.0001'],
    [2.5e-7, 1, '0.00000025'],
    [1e21, 1, null],
    [0.1 + 0.2, 1_000_000, null],
    [1, 3_600, null],
    [-1, 1, null],
  ])('%d / %d is %s', (value, per, want) => {
    expect(exactQuotient(value, per)).toBe(want)
  })

  test('for all prices of up to nine decimals', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 10 ** 9 }), fc.nat(9), (digits, places) => {
        const text = exactQuotient(Number(`${digits}e-${places}`), 1_000_000)
        expect(decimalUnits(text ?? '', 15)).toBe(BigInt(digits) * 10n ** BigInt(9 - places))
      }),
    )
  })
})

describe('the import', () => {
  let ledger: f.Ledger
  beforeAll(async () => {
    ledger = await f.openLedger()
    await f.price(ledger.sql, 'openai/gpt-4/input-tokens', '0.00003')
    await f.price(ledger.sql, 'openai/gpt-3.5-turbo/input-tokens', '0.0000015')
  })
  afterAll(() => ledger.close())
  const models = ['openai/gpt-4', 'openai/gpt-3.5-turbo', 'openai/dall-e-3']

  test('I1: adds what differs, and the second time nothing', async () => {
    const { differences, doubts } = await planImport(ledger.sql, models, NOW)
    const kinds = Object.fromEntries(differences.map(({ kind, row }) => [row.resourceId, kind]))
    expect(kinds).toMatchObject({
      'openai/gpt-4/input-tokens': 'same',
      'openai/gpt-4/output-tokens': 'new',
      'openai/gpt-3.5-turbo/input-tokens': 'changed',
    })
    expect(doubts).toContainEqual({ model: 'openai/dall-e-3', doubt: 'the catalogue does not know it' })
    const missing = differences.filter(({ kind }) => kind !== 'same').length
    expect(await applyImport(ledger.sql, models, NOW)).toBe(missing)
    const version = await configVersion(ledger.sql)
    expect(await applyImport(ledger.sql, models, NOW + 86_400_000)).toBe(0)
    expect(await configVersion(ledger.sql)).toBe(version)
  })
})

describe('npm run prices', () => {
  const run = promisify(execFile)
  let url: string
  let drop: () => Promise<void>
  beforeAll(async () => {
    const database = await createDatabase()
    url = database.url
    drop = database.drop
    const { migrate } = await import('../../activities/ledger/migrate.ts')
    await migrate(url)
    const { openDatabase } = await import('../../activities/ledger/database.ts')
    const sql = openDatabase(url, { max: 1 })
    await putResource(sql, f.resource({ id: 'openai/gpt-4/tokens' }), f.ACTOR)
    await f.price(sql, 'openai/gpt-4/tokens', '0.0000300001', { source: 'the list', minimumUsd: '0.01' })
    await sql.end()
  })
  afterAll(() => drop())

  async function prices(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
    const options = { cwd: PROJECT, env: { ...process.env, DATABASE_URL: url } }
    try {
      return { code: 0, ...(await run('node', ['ops/prices/main.ts', ...args], options)) }
    } catch (error) {
      const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string }
      return { code, stdout, stderr }
    }
  }

  test('explains a cost to the last decimal', async () => {
    const { stdout } = await prices('explain', 'openai/gpt-4/tokens', '1183')
    expect(stdout).toContain('1183 x 0.0000300001 = 0.0354901183\n')
    expect(stdout).toContain('rounded up  0.035490119\n')
    expect(stdout).toContain('the list')
    expect((await prices('explain', 'openai/gpt-4/tokens', '1')).stdout).toContain('minimum     0.01')
  })

  test('tells what has no price, and what to do', async () => {
    const { code, stderr } = await prices('explain', 'none', '1')
    expect(code).toBe(2)
    expect(stderr).toMatch(/none has no price at .*\nWhat to do: PUT/)
  })

  test('shows an import, applies it, and lists it', async () => {
    expect((await prices('import')).stdout).toMatch(/2 rows would be added.*--apply/)
    expect((await prices('import', '--apply')).stdout).toMatch(/2 rows added, 0 rows are there already/)
    expect((await prices('import', '--apply')).stdout).toMatch(/0 rows added, 2 rows are there already/)
    const listed = JSON.parse((await prices('list', 'openai/gpt-4/', '--json')).stdout) as {
      resourceId: string
    }[]
    expect(listed.map(({ resourceId }) => resourceId)).toContain('openai/gpt-4/output-tokens')
    expect((await prices('list')).stdout).toContain('USD per unit')
    expect((await prices('estimates')).stdout).toContain('9 of 10 below')
  })
})
