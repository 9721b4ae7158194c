// What a reviewer would say twice: house rules that no linter knows.

import { globSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'

import { describe, expect, test } from 'vitest'

import { PROJECT } from '../ops/environment.ts'

const LINES_MAX = 300
const LAYERS = '{domain,limiter,workflows,activities,api}'
const PROGRAM = '{domain,limiter,workflows,activities,api,ops,simulator,examples,bench}'
const EMPTY_WORDS = [
  'manager',
  'helper',
  'helpers',
  'util',
  'utils',
  'misc',
  'data',
  'info',
  'enhanced',
  'unified',
]
const EMPTY_FILES = ['utils.ts', 'types.ts', 'constants.ts', 'helpers.ts', 'common.ts']

const files = (pattern: string): string[] => globSync(pattern, { cwd: PROJECT }).toSorted()
const read = (file: string): string => readFileSync(join(PROJECT, file), 'utf8')
const wordsOf = (name: string): string[] => name.split(/(?=[A-Z])|_|-/).map((word) => word.toLowerCase())

describe('names say something', () => {
  const declaration =
    /^(?:export )?(?:abstract )?(?:async )?(?:class|interface|type|function|enum) (\w+)|^export const (\w+)/gm

  test('no declared name holds an empty word', () => {
    const empty = files(`${PROGRAM}/**/*.ts`).flatMap((file) =>
      [...read(file).matchAll(declaration)]
        .map((match) => match[1] ?? match[2] ?? '')
        .filter((name) => wordsOf(name).some((word) => EMPTY_WORDS.includes(word)))
        .map((name) => `${file}: ${name}`),
    )
    expect(empty).toEqual([])
  })

  test('no file is a drawer for leftovers', () => {
    expect(files(`${PROGRAM}/**/*.ts`).filter((file) => EMPTY_FILES.includes(basename(file)))).toEqual([])
  })
})

describe('files can be read', () => {
  test('every file of a layer begins by saying what rule lives in it', () => {
    expect(files(`${LAYERS}/**/*.ts`).filter((file) => !/^\/[/*]/.test(read(file)))).toEqual([])
  })

  test(`a file of more than ${LINES_MAX} lines says why it is long`, () => {
    const long = files(`${PROGRAM}/**/*.ts`).filter((file) => {
      const lines = read(file).split('\n')
      return lines.length > LINES_MAX && !lines.some((line) => line.startsWith('// Long because '))
    })
    expect(long).toEqual([])
  })
})

describe('rules are proven', () => {
  const ids = (text: string): readonly string[] =>
    [...text.matchAll(/\b([A-Z]{1,2})(\d+)(?: to \1(\d+))?\b/g)].flatMap(
      ([, letters = '', from = '', to = from]) =>
        Array.from({ length: Number(to) - Number(from) + 1 }, (_, nth) => `${letters}${Number(from) + nth}`),
    )
  const countOf = (all: readonly string[]) => Map.groupBy(all, (id) => id)

  test('every numbered rule of domain and ledger is named by as many tests as files have one of that name', () => {
    const rules = files('{domain,activities}/**/*.ts').flatMap((file) => {
      const [header = ''] = read(file).split(/^(?!\/\/)/m)
      return [...header.matchAll(/^\/\/ ([A-Z]{1,2}\d+) /gm)].map(([, id = '']) => ({ file, id }))
    })
    const named = countOf(
      files('test/{domain,ledger,activities,api,workflows}/**/*.ts').flatMap((file) =>
        [...new Set([...read(file).matchAll(/'([^'\n]+)'|`([^`\n]+)`/g)].map(([text]) => text))].flatMap(ids),
      ),
    )
    const unproven = [...Map.groupBy(rules, ({ id }) => id)]
      .filter(([id, of]) => (named.get(id)?.length ?? 0) < of.length)
      .map(([id, of]) => `${id} of ${of.map(({ file }) => file).join(', ')}`)
    expect(rules.length).toBeGreaterThan(200)
    expect(unproven).toEqual([])
  })
})

test('every numbered rule of the limiter is named by a test', () => {
  const tests = files('test/limiter/**/*.ts').map(read).join('\n')
  const rules = files('limiter/**/*.ts').flatMap((file) =>
    [...read(file).matchAll(/^\/\/ ([A-Z]{1,2}\d+) {2}/gm)].map(([, id = '']) => ({ file, id })),
  )
  expect(rules.length).toBeGreaterThan(100)
  expect(rules.filter(({ id }) => !new RegExp(`['\`][^'\`\n]*\\b${id}\\b`).test(tests))).toEqual([])
})

test('the core asks no clock', () => {
  expect(files('{domain,limiter}/**/*.ts').filter((file) => /new Date\(\s*\)/.test(read(file)))).toEqual([])
})

test('nothing names the folder of this checkout', () => {
  const named = files('{*.{json,ts,yml,yaml,md},Dockerfile,.ci/run,docs/**/*.md,config/*.yaml,test/**/*.ts}')
    .concat(files(`${PROGRAM}/**/*.{ts,mjs,md}`))
    .filter((file) => file !== 'package-lock.json' && read(file).includes(`${PROJECT}/`))
  expect(named).toEqual([])
})
