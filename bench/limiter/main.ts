// `npm run bench -- limiter`: the core by itself, how fast it decides.

import { measureCore } from './core.ts'
import { nanosPerOperation } from './processor.ts'

const SIZES = [1_000, 10_000, 100_000]

/** Prints the tables; a first round warms the code up. */
export function limiter(): Promise<void> {
  measureCore(2_000)
  console.table(SIZES.map(measureCore))
  console.log(`the machine: ${nanosPerOperation().toFixed(2)} ns per dependent multiplication and addition`)
  return Promise.resolve()
}
