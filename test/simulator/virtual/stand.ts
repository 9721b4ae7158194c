// A scenario made in a test, simulated for a while.

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
): Measured {
  return measure({
    scenario,
    seed,
    hours,
    suspect,
    samples: { count: 1, look: () => undefined },
    onStep: () => undefined,
  })
}
