// `npm run bench -- limiter`: the core by itself, how fast it decides, and beside in-process peers.

import { measureCore } from './core.ts'
import { measurePeers } from './peers.ts'
import { nanosPerOperation } from './processor.ts'

const SIZES = [1_000, 10_000, 100_000]
const PEER_SIZES = [200, 1_000]

/** Prints the tables; a first round warms the code up. */
export async function limiter(): Promise<void> {
  measureCore(2_000)
  console.table(SIZES.map(measureCore))
  console.log(`the machine: ${nanosPerOperation().toFixed(2)} ns per dependent multiplication and addition`)
  const rows = []
  for (const jobs of PEER_SIZES) rows.push(await measurePeers(jobs))
  console.table(rows)
}
