// How often a property is tried, and with which random numbers.
//
// `npm test` always tries the same ones, so that a gate says the same twice; `npm run test:soak` tries RM_PROPERTY_TIMES
// as many, from a seed of its own, which it prints. RM_PROPERTY_SEED repeats one.

import * as fc from 'fast-check'

const SEED = 20_261_128

/** Options of `fc.assert` for a property that is tried so often in `npm test`. */
export function runs(count: number): { readonly numRuns: number } {
  return { numRuns: count * Number(process.env['RM_PROPERTY_TIMES'] ?? 1) }
}

fc.configureGlobal({ seed: Number(process.env['RM_PROPERTY_SEED'] ?? SEED), ...runs(100) })
