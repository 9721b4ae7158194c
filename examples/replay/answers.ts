// What the replay reads in the system's answers; everything else in them is left alone.

import { z } from 'zod'

const units = z.record(z.string(), z.number())

export const status = z.looseObject({
  simulator: z.string().nullish(),
  sampleWorker: z.string().nullish(),
})

export const execution = z.looseObject({
  requestId: z.string(),
  clientId: z.string(),
  state: z.string(),
  resources: z.looseObject({ reserved: units, actual: units.nullable() }),
  cost: z.looseObject({ estimatedUsd: z.string().nullable(), actualUsd: z.string().nullable() }),
  timeline: z.array(z.looseObject({ state: z.string(), at: z.string() })),
})

export const executions = z.looseObject({
  items: z.array(z.looseObject({ requestId: z.string(), state: z.string() })),
  cursor: z.string().nullable(),
})

export const cost = z.looseObject({
  lines: z.array(z.looseObject({ costUsd: z.string(), assumed: z.boolean().optional() })),
})

export const usage = z.looseObject({
  budgets: z.array(
    z.looseObject({
      scope: z.string(),
      unit: z.string(),
      period: z.string(),
      used: z.union([z.string(), z.number()]),
      held: z.union([z.string(), z.number()]),
    }),
  ),
})

/** The provider simulator's, not the system's. */
export const simulatorHealth = z.looseObject({ lastSeq: z.int() })

export type Execution = z.infer<typeof execution>
