import { expect, test } from 'vitest'
import { readCatalogue } from '../../api/catalogue.ts'

const read = (text: string, variables: Record<string, string> = {}) =>
  readCatalogue({ file: 'config/some.yaml', text, variables })

const LIMIT = '{ type: token-bucket, capacity: 10, refillUnits: 10, refillMs: 1000 }'

test('a catalogue gives the configuration with its defaults', () => {
  const catalogue = read(`
tiers:
  basic: { points: 10, weight: 1 }
resources:
  openai/gpt-4/tokens:
    unit: tokens
    limits: [${LIMIT}]
prices:
  openai/gpt-4/tokens: [{ perUnitUsd: "0.00003", source: "price list", effectiveFrom: "2026-01-01T00:00:00Z" }]
budgets:
  acme/session-1: [{ unit: USD, amount: "10", period: day }]
`)
  expect(catalogue).toMatchObject({
    kind: 'ok',
    config: {
      resources: { 'openai/gpt-4/tokens': { refund: 'at-settle', maxQueue: 1000, jitterMs: 0 } },
      tiers: { basic: { maxConcurrent: null } },
      budgets: { 'acme/session-1': [{ unit: 'USD', timezone: 'UTC' }] },
      workers: {},
    },
  })
})

test('an empty file is an empty catalogue', () => {
  expect(read('# nothing yet\n')).toMatchObject({ kind: 'ok', config: { resources: {}, tiers: {} } })
})

test.each<[sentence: string, text: string, want: readonly string[]]>([
  [
    'G1 a wrong value is told with its line and column',
    `resources:\n  a:\n    unit: tokens\n    limits:\n      - { type: token-bucket, capacity: 0, refillUnits: 1, refillMs: 1 }\n`,
    ['config/some.yaml:5:31 resources.a.limits.0.capacity: Too small: expected number to be >=1'],
  ],
  [
    'G1 an unknown field is told at its own place',
    `resources:\n  a/b:\n    unit: tokens\n    limits: [${LIMIT}]\n    pols: 3\n`,
    ['config/some.yaml:5:5 resources.a/b.pols: unknown field'],
  ],
  [
    'G1 a missing field is told at the object that lacks it',
    `tiers:\n  basic: { points: 10 }\n`,
    ['config/some.yaml:2:3 tiers.basic.weight: Invalid input: expected number, received undefined'],
  ],
  [
    'G1 all errors are told at once',
    `tiers:\n  a: { points: 41, weight: 1 }\nworkres: {}\n`,
    ['config/some.yaml:2:8 tiers.a.points', 'config/some.yaml:3:1 workres: unknown field'],
  ],
  ['G1 broken YAML is told with its place', 'tiers:\n  a: [\n', ['config/some.yaml:']],
  [
    'G1 a name that is there twice is an error',
    'tiers: {}\ntiers: {}\n',
    ['config/some.yaml:2:1 Map keys must be unique'],
  ],
])('%s', (_sentence, text, want) => {
  const result = read(text)
  expect(result.kind).toBe('invalid')
  const errors = result.kind === 'invalid' ? result.errors : []
  expect(errors).toHaveLength(want.length)
  expect(errors.map((error, index) => error.slice(0, want[index]?.length))).toEqual(want)
})

const WORKER = 'workers:\n  echo: { endpoints: { execute: "${SAMPLE_WORKERS}/echo" } }\n'

test('G2 a variable is replaced in values', () => {
  expect(read(WORKER, { SAMPLE_WORKERS: 'http://127.0.0.1:4100' })).toMatchObject({
    config: { workers: { echo: { endpoints: { execute: 'http://127.0.0.1:4100/echo' } } } },
  })
})

test('G2 a variable that is not given is an error at its place', () => {
  expect(read(WORKER)).toEqual({
    kind: 'invalid',
    errors: ['config/some.yaml:2:33 ${SAMPLE_WORKERS}: the variable is not given'],
  })
})
