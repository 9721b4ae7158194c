// How a group behaves beside its limits: what it draws by chance and what it remembers of its earlier answers.

import { drawDuration, drawTokens } from './distributions.ts'
import { openFailures, type FailureRule } from './failures.ts'
import type { Group } from './scenario.ts'
import { openQuirks, quirksSchema, type Quirks } from './styles/quirks.ts'
import type { Headers } from './styles/style.ts'
import { randomFrom } from './virtual/random.ts'

export type Conduct = {
  /** What goes wrong with the call that comes now; null: nothing. */
  readonly failure: (atMs: number) => FailureRule | null
  /** How long the call is on its way to the decision. */
  readonly networkMs: () => number
  /** Output tokens of a call that does not say; null where its content decides. */
  readonly completion: (max: number) => number | null
  /** How long a call with so many output tokens takes; null where the group does not draw. */
  readonly duration: (tokens: number) => { readonly firstMs: number; readonly wholeMs: number } | null
  /** How long a batch takes: half of them 7 minutes, nine of ten an hour. */
  readonly batchMs: () => number
  readonly headers: (told: Headers) => Headers
  readonly quirks: Quirks
  /** Calls in flight now. */
  inFlight: number
}

const SEED_STANDARD = 1
const BATCH_MEDIAN_MS = 420_000
/** ln(3,600 s / 420 s) over the normal quantile of 0.9. */
const BATCH_SIGMA = 1.676
const conducts = new WeakMap<Group, Conduct>()

/** The same group object has the same conduct for as long as its counters live. */
export function conductOf(group: Group): Conduct {
  const known = conducts.get(group)
  if (known !== undefined) return known
  const opened = openConduct(group)
  conducts.set(group, opened)
  return opened
}

function openConduct(group: Group): Conduct {
  const seed = group.seed ?? SEED_STANDARD
  const network = randomFrom(seed, 'network')
  const pace = randomFrom(seed, 'pace')
  const batches = randomFrom(seed, 'batches')
  const failures = openFailures(group.failures ?? [], seed)
  const quirks = group.quirks ?? quirksSchema.parse({})
  let firstMs: number | null = null
  return {
    failure(atMs) {
      firstMs ??= atMs
      return failures(atMs - firstMs)
    },
    networkMs: () => (group.networkMs === undefined ? 0 : network.between(0, group.networkMs)),
    completion(max) {
      const spread = group.pace?.completion
      return spread === undefined ? null : drawTokens(spread, { random: pace, max })
    },
    duration(tokens) {
      const { inFlight } = this
      return group.pace === undefined ? null : drawDuration(group.pace, { random: pace, tokens, inFlight })
    },
    batchMs: () => Math.round(BATCH_MEDIAN_MS * Math.exp(BATCH_SIGMA * batches.normal())),
    headers: openQuirks(quirks),
    quirks,
    inFlight: 0,
  }
}
