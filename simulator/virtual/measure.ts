// One simulation with everything that is measured of it, and what it had to reach.

import type { LimitUse, Verdict } from '../checker.ts'
import type { Fact } from './facts.ts'
import { openFairness } from './metrics/fairness.ts'
import type { FigureName, Figures } from './metrics/figure.ts'
import { openMix } from './metrics/mix.ts'
import { openStarvation } from './metrics/starvation.ts'
import { openUse } from './metrics/use.ts'
import { openWaits, type TierWaits } from './metrics/waits.ts'
import { simulate, type Simulation } from './run.ts'
import type { Scenario, Target } from './scenario.ts'

export type Measured = {
  readonly counts: { readonly asked: number; readonly granted: number; readonly waiting: number }
  readonly figures: Figures
  readonly waits: readonly TierWaits[]
  /** Per limit, as the referee saw it. */
  readonly limits: readonly LimitUse[]
  readonly findings: Verdict['findings']
}

export function measure(simulation: Omit<Simulation, 'note'>, watch?: (fact: Fact) => void): Measured {
  const { scenario } = simulation
  const startMs = Date.parse(scenario.start)
  const waits = openWaits(scenario.tiers)
  const names = scenario.populations.map(({ name }) => name)
  const fairness = openFairness(scenario.tiers, startMs)
  const meters = [openUse(), openMix(names, startMs), fairness, openStarvation(), waits]
  const counts = { asked: 0, granted: 0, waiting: 0 }
  const verdict = simulate({
    ...simulation,
    note(fact) {
      for (const meter of meters) meter.note(fact)
      if (fact.kind === 'asked') counts.asked += 1
      if (fact.kind === 'granted') counts.granted += 1
      if (fact.kind === 'over') counts.waiting = fact.waiting.length
      watch?.(fact)
    },
  })
  const figures: Figures = {
    violations: verdict.rejected + verdict.violations,
    disputed: verdict.unjust + verdict.gaps + verdict.miscounts,
  }
  for (const meter of meters) Object.assign(figures, meter.figures())
  return { counts, figures, waits: waits.tiers(), limits: verdict.uses, findings: verdict.findings }
}

export type Outcome = 'met' | 'missed' | 'untold'

export type Judged = {
  readonly name: FigureName
  readonly value: number | null
  readonly target: Target
  /** `untold`: nothing happened by which it could be measured. That is not good enough for a target. */
  readonly outcome: Outcome
}

/** The targets of the scenario, in the order in which it tells them. */
export function judge({ targets }: Scenario, figures: Figures): readonly Judged[] {
  return Object.entries(targets).map(([name, target]) => {
    // The keys of a record that was parsed are of its schema.
    const figure = name as FigureName
    const value = figures[figure] ?? null
    return { name: figure, value, target, outcome: outcomeOf(value, target) }
  })
}

function outcomeOf(value: number | null, target: Target): Outcome {
  if (value === null) return 'untold'
  const isMet = 'atMost' in target ? value <= target.atMost : value >= target.atLeast
  return isMet ? 'met' : 'missed'
}
