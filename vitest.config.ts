// Tests run in forks: threads crash where several files load the Temporal worker.

import { availableParallelism } from 'node:os'

import { defineConfig } from 'vitest/config'

const FORKS_MAX = 3

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/support/global-setup.ts'],
    setupFiles: ['test/support/runs.ts'],
    pool: 'forks',
    maxWorkers: Math.min(FORKS_MAX, availableParallelism()),
    testTimeout: 30_000,
    hookTimeout: 60_000,
    teardownTimeout: 20_000,
  },
})
