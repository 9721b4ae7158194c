// A gate on a clock that a test moves by hand.

import { openGate, type Cost, type Gate, type Verdict } from '../../simulator/gate.ts'
import { openLog, type Entry, type Log } from '../../simulator/log.ts'
import { scenarioSchema, type Scenario } from '../../simulator/scenario.ts'

/** A moment with nothing special about it: 2026-03-04T05:06:07.000Z. */
export const START_MS = Date.UTC(2026, 2, 4, 5, 6, 7)

export type Stand = {
  readonly gate: Gate
  readonly log: Log
  readonly entries: () => Entry[]
  /** One call at `atMs` after START_MS. */
  readonly call: (atMs: number, cost: Cost) => Verdict
}

export function stand(group: unknown, startMs = START_MS): Stand {
  let nowUs = startMs * 1_000
  const scenario: Scenario = scenarioSchema.parse({
    name: 'test',
    groups: [{ account: 'acme', family: 'm', ...(group as object) }],
  })
  const log = openLog(null)
  const gate = openGate({ scenario, clock: () => nowUs, log })
  return {
    gate,
    log,
    entries: () => [...log.after(0)],
    call(atMs, cost) {
      nowUs = Math.round((startMs + atMs) * 1_000)
      const found = gate.find('acme', 'm')
      if (found === undefined) throw new Error('the group is gone')
      return gate.decide({ group: found, endpoint: '/test', cost })
    },
  }
}
