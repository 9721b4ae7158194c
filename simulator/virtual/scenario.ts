// A scenario: resources, who asks for them and how, what changes on the way, and what has to come out. One YAML file
// each; resources are written as in the catalogue.

import { readdirSync, readFileSync } from 'node:fs'
import { basename, join, relative } from 'node:path'
import { z } from 'zod'
import { resource } from '../../api/schema/config.ts'
import { limit } from '../../api/schema/limit.ts'
import { id } from '../../api/schema/primitives.ts'
import { readYaml } from '../../api/yaml-file.ts'
import { URGENCIES } from '../../domain/priority.ts'
import { FIGURES } from './metrics/figure.ts'

const count = z.int().positive()
const ms = z.int().nonnegative()
const weight = z.number().positive()
const part = z.number().min(0).max(1)

/** Whole numbers as they are drawn. */
const amounts = z.union([
  count,
  z.strictObject({ uniform: z.tuple([count, count]) }),
  z.strictObject({ choice: z.array(z.tuple([count, weight])).min(1) }),
  z.strictObject({ logNormal: z.strictObject({ mean: count, cv: weight, max: count }) }),
])

/** Units of a resource: drawn, or, where the arrivals are a trace's, the tokens of its row. */
const demand = z.union([amounts, z.enum(['tokens', 'input-tokens', 'output-tokens'])])

/** `load`: 1 asks for as much as the scarcest of the resources lets through for ever. */
const arrivals = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('poisson'), load: weight }),
  z.strictObject({ kind: z.literal('on-off'), load: weight, onMs: count, offMs: count }),
  z.strictObject({ kind: z.literal('every'), everyMs: count }),
  /** Every client has so many waiting at any time. */
  z.strictObject({ kind: z.literal('backlog'), keep: count }),
  /** Hours beyond the trace are made of its minutes, drawn at random. */
  z.strictObject({ kind: z.literal('trace'), file: z.string(), speed: weight.default(1) }),
])

const population = z.strictObject({
  name: id,
  clients: count.default(1),
  /** Clients by tier, as parts of all. */
  tiers: z.record(z.string(), weight),
  urgency: z.partialRecord(z.enum(URGENCIES), weight).default({ normal: 1 }),
  /** `[n, part]`: the first n clients together send that part of the requests. Left out: all send as many. */
  top: z.array(z.tuple([count, part])).default([]),
  arrivals,
  demand: z.record(id, demand),
  fromMs: ms.default(0),
  untilMs: ms.nullable().default(null),
  maxWaitMs: count.default(86_400_000),
  /** What is really used, over what was asked for: drawn between the two, on a logarithmic scale. */
  uses: z.tuple([weight, weight]).default([1, 1]),
  /** How long a call takes at the provider. */
  holdMs: amounts.default(1_000),
  leaseMs: count.default(300_000),
  /** Holders that begin their call and are never heard of again. */
  dies: part.default(0),
})

const change = z.strictObject({
  atMs: ms,
  /** When the provider does the same; left out: J after, when everything granted before has arrived. */
  providerAtMs: ms.optional(),
  limits: z.record(id, z.array(limit)),
})

const target = z.union([z.strictObject({ atMost: z.number() }), z.strictObject({ atLeast: z.number() })])

export const scenarioSchema = z
  .strictObject({
    title: z.string().min(1),
    shows: z.string().min(1),
    hours: z.number().positive(),
    start: z.iso.datetime().default('2026-08-03T00:00:00Z'),
    resources: z.record(id, resource),
    tiers: z.record(z.string(), z.strictObject({ points: z.int().min(0).max(40), weight: count })).default({
      enterprise: { points: 40, weight: 4 },
      premium: { points: 30, weight: 3 },
      standard: { points: 20, weight: 2 },
      basic: { points: 10, weight: 1 },
    }),
    populations: z.array(population).min(1),
    changes: z.array(change).default([]),
    /** From the end of a call until the limiter is told of it: any delay up to this. */
    returnMs: ms.default(100),
    targets: z.partialRecord(z.enum(FIGURES), target),
  })
  .superRefine(({ resources, tiers, populations, changes }, context) => {
    const known = (path: PropertyKey[], kind: string, names: object, name: string) => {
      if (Object.hasOwn(names, name)) return
      context.addIssue({ code: 'custom', path: [...path, name], message: `no ${kind} of this scenario` })
    }
    for (const [at, { demand, tiers: cast, arrivals }] of populations.entries()) {
      for (const [name, units] of Object.entries(demand)) {
        known(['populations', at, 'demand'], 'resource', resources, name)
        if (typeof units === 'string' && arrivals.kind !== 'trace') {
          const message = `only a trace has ${units}`
          context.addIssue({ code: 'custom', path: ['populations', at, 'demand', name], message })
        }
      }
      for (const tier of Object.keys(cast)) known(['populations', at, 'tiers'], 'tier', tiers, tier)
    }
    for (const [at, { limits }] of changes.entries()) {
      for (const name of Object.keys(limits)) known(['changes', at, 'limits'], 'resource', resources, name)
    }
  })

export type Scenario = z.infer<typeof scenarioSchema>
export type Population = Scenario['populations'][number]
export type Change = Scenario['changes'][number]
export type Amounts = z.infer<typeof amounts>
export type Target = z.infer<typeof target>

const FOLDER = join(import.meta.dirname, 'scenarios')

/** Names of the scenarios that come with the project. */
export function scenarioNames(): readonly string[] {
  return readdirSync(FOLDER)
    .filter((file) => file.endsWith('.yaml'))
    .map((file) => basename(file, '.yaml'))
    .sort()
}

/** By its name, or from a file. Throws an error that lists every fault, a line each. */
export function loadScenario(nameOrFile: string): Scenario {
  const file = scenarioNames().includes(nameOrFile) ? join(FOLDER, `${nameOrFile}.yaml`) : nameOrFile
  const read = readYaml({
    file: relative(process.cwd(), file),
    text: readFileSync(file, 'utf8'),
    schema: scenarioSchema,
  })
  if (read.kind === 'ok') return read.value
  throw new Error(read.errors.join('\n'))
}
