import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

import { describe, expect, test } from 'vitest'

import {
  PROJECT,
  VARIABLES,
  describeVariables,
  readEnvironment,
  unknownVariables,
} from '../../ops/environment.ts'

const catalogue = { RM_CONFIG: 'package.json' } // any file that is there

describe('E1: parsed once, all faults told together', () => {
  test('without variables everything is embedded', () => {
    expect(readEnvironment(catalogue)).toMatchObject({
      port: 3000,
      host: '127.0.0.1',
      databaseUrl: null,
      temporalAddress: null,
      namespace: 'default',
      isSampleSent: true,
      folder: join(PROJECT, '.data'),
    })
  })

  test.each([
    ['PORT', 'abc'],
    ['PORT', '70000'],
    ['RM_POSTGRES_PORT', '-1'],
    ['RM_SAMPLE_REQUEST', 'no'],
    ['DATABASE_URL', 'mysql://host/x'],
    ['TEMPORAL_ADDRESS', 'http://temporal'],
    ['RM_ADMIN_KEY', 'two words'],
    ['RM_CONFIG', 'no/such/file.yaml'],
  ])('%s cannot be %s', (name, value) => {
    expect(() => readEnvironment({ ...catalogue, [name]: value })).toThrow(name)
  })

  test('two faults are one message', () => {
    const read = (): unknown => readEnvironment({ ...catalogue, PORT: 'x', RM_TEMPORAL_PORT: 'y' })
    expect(read).toThrow(/PORT.*RM_TEMPORAL_PORT/)
  })

  test('a secret that is wrong is not shown', () => {
    const read = (): unknown => readEnvironment({ ...catalogue, DATABASE_URL: 'mysql://rm:hush@host/x' })
    expect(read).toThrow(/^(?!.*hush).*DATABASE_URL/)
  })
})

test('E2: an empty variable is an absent one', () => {
  expect(readEnvironment({ ...catalogue, PORT: '', DATABASE_URL: ' ' })).toEqual(readEnvironment(catalogue))
})

describe('E3: the table is what the code reads', () => {
  test('a slip of the pen is noticed', () => {
    expect(unknownVariables({ RM_DATADIR: 'x', RM_HOST: 'y', PATH: 'z' })).toEqual(['RM_DATADIR'])
  })

  test('every RM_ variable that a program reads is in the table, and the other way round', () => {
    const programs = globSync('{activities,api,ops,simulator,examples,bench}/**/*.ts', { cwd: PROJECT })
    const text = programs
      .filter((file) => file !== join('ops', 'environment.ts'))
      .map((file) => readFileSync(join(PROJECT, file), 'utf8'))
      .join('\n')
    const named = new Set([...text.matchAll(/\bRM_[A-Z_]*[A-Z]\b/g)].map((match) => match[0]))
    const table = new Set(VARIABLES.map(({ name }) => name))
    expect([...named].filter((name) => !table.has(name))).toEqual([])
    const source = `${text}\n${readFileSync(join(PROJECT, 'ops/environment.ts'), 'utf8')}`
    const unread = VARIABLES.filter(
      ({ name }) => name.startsWith('RM_') && source.split(`'${name}'`).length - 1 < 2 && !named.has(name),
    )
    expect(unread).toEqual([])
  })

  test('the help names them all, but for the inner ones', () => {
    const help = describeVariables()
    for (const { name, inner } of VARIABLES) expect(help.includes(`  ${name} `), name).toBe(inner !== true)
  })
})
