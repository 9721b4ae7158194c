// `npm run test:soak`: the properties again, many times as often and from another seed each time.

import { globSync, readFileSync } from 'node:fs'

import { defineConfig } from 'vitest/config'

import tests from './vitest.config.ts'

const seed = process.env['RM_PROPERTY_SEED'] ?? String(Date.now() % 2 ** 31)
const times = process.env['RM_PROPERTY_TIMES'] ?? '20'
process.stdout.write(`properties: ${times} times as often, RM_PROPERTY_SEED=${seed}\n`)

export default defineConfig({
  test: {
    ...tests.test,
    include: globSync('test/**/*.test.ts').filter((file) => readFileSync(file, 'utf8').includes('fc.assert')),
    env: { RM_PROPERTY_SEED: seed, RM_PROPERTY_TIMES: times },
    testTimeout: 3_600_000,
  },
})
