// A scenario made in a test, simulated for a while.

import type { Fact } from '../../../simulator/virtual/facts.ts'
import { measure, type Measured } from '../../../simulator/virtual/measure.ts'
import { scenarioSchema, type Scenario } from '../../../simulator/virtual/scenario.ts'
import type { Suspect } from '../../../simulator/virtual/suspect.ts'

export function scenarioWith(fields: object): Scenario {
  return scenarioSchema.parse({ title: 'test', shows: 'test', hours: 1, targets: {}, ...fields })
}

type Run = { readonly seed?: number; readonly hours?: number; readonly suspect?: Suspect }

export function measured(
  scenario: Scenario,
  { seed = 1, hours = scenario.hours, suspect = 'ours' }: Run = {},
  watch: (fact: Fact) => void = () => undefined,
): Measured {
  const samples = { count: 1, look: () => undefined }
  return measure({ scenario, seed, hours, suspect, samples, onStep: () => undefined }, watch)
}

/** All that happened. */
export function factsOf(scenario: Scenario, run: Run = {}): readonly Fact[] {
  const facts: Fact[] = []
  measured(scenario, run, (fact) => facts.push(fact))
  return facts
}
