// What a request is expected to need, before anything is called.
//
// E1  What is asked goes before the template's resources, and these before the worker's typical needs.
// E2  Tokens that nobody asked for follow from the input and from what the same template used before. Resources of one
//     model share a path: `input-tokens`, `output-tokens`, and `tokens` for both together.
// E3  Output: what the input declares, else what nine of ten earlier calls kept to, else what is stated.
// E4  Input: what is counted and what earlier calls had beyond their count, else the greater of count and statement.
// E5  An output that nobody declared never makes a request impossible that its input does not: it is cut to the
//     smallest limit.

import type { Ask, ExecutionAsk } from './ask.ts'
import { needOfLimit } from './limit.ts'
import { carve, poolsFor, type Asker } from './pool.ts'
import { toDemand, type Demand, type Resource } from './resource.ts'
import type { Template } from './template.ts'
import { declaredOutput } from './tokens.ts'
import type { Worker } from './worker.ts'

export type DemandSource = 'request' | 'template' | 'worker'

/** What the last calls of a template, or of a worker without one, used of a resource. */
export type LearnedUse = {
  readonly samples: number
  /** Units that half of the calls kept to. */
  readonly p50: number
  /** Units that nine of ten kept to. */
  readonly p90: number
  /** Nine of ten had at most so many beyond the count of their input; null where none was counted. */
  readonly overheadP90: number | null
  /** Reserved less used, in percent of the used, of those that we estimated; null where there are none. */
  readonly errorPercentP50: number | null
  readonly errorPercentP90: number | null
}

/** Fewer calls teach nothing. */
export const SAMPLES_MIN = 20

export type Known = {
  readonly template: Template | null
  readonly worker: Worker | null
  readonly resources: Readonly<Record<string, Resource>>
  readonly learned: Readonly<Record<string, LearnedUse>>
}

export type Estimate = { readonly demand: Demand; readonly from: DemandSource }

export function estimateOf(ask: Ask, known: Known, asker: Asker): Estimate {
  if (ask.kind === 'reservation' || ask.resources !== null) {
    return { demand: toDemand(ask.resources ?? {}), from: 'request' }
  }
  const { units, from } = statedOf(known)
  const needs: Record<string, number> = { ...units }
  for (const path of modelsOf(units)) {
    Object.assign(needs, tokensOf(ask, known, { path, stated: units, asker }))
  }
  return { demand: toDemand(needs), from }
}

/** The least and the most that the request may come to: its input alone; the most that the worker says it takes. */
export function boundsOf(
  ask: ExecutionAsk,
  known: Known,
  expected: Demand,
): { readonly least: Demand; readonly most: Demand } {
  if (ask.resources !== null) return { least: expected, most: expected }
  const least: Record<string, number> = Object.fromEntries(expected)
  const most: Record<string, number> = Object.fromEntries(expected)
  for (const [id, units] of Object.entries(known.worker?.maximum ?? {})) {
    most[id] = Math.max(units, most[id] ?? 0)
  }
  const declared = declaredOutput(ask.input)
  for (const path of modelsOf(least)) {
    const { input, output, total } = idsOf(path)
    if (least[output] === undefined) continue
    least[input] = Math.min(least[input] ?? 0, ask.inputTokens ?? Infinity)
    least[output] = 0
    if (least[total] !== undefined) least[total] = least[input]
    if (declared === null) continue
    most[output] = declared
    if (most[total] !== undefined) most[total] = (most[input] ?? 0) + declared
  }
  return { least: toDemand(least), most: toDemand(most) }
}

function statedOf({ template, worker }: Known) {
  if (template !== null && template.resources !== null) {
    return { units: template.resources, from: 'template' } as const
  }
  return { units: worker?.typical ?? {}, from: 'worker' } as const
}

/** Paths of the models whose tokens are among the resources. */
function modelsOf(units: Readonly<Record<string, number>>): readonly string[] {
  const paths = Object.keys(units).flatMap((id) => /^(.+)\/(?:input-|output-)?tokens$/.exec(id)?.[1] ?? [])
  return [...new Set(paths)]
}

function idsOf(path: string) {
  return { input: `${path}/input-tokens`, output: `${path}/output-tokens`, total: `${path}/tokens` }
}

type Model = {
  readonly path: string
  readonly stated: Readonly<Record<string, number>>
  readonly asker: Asker
}

function tokensOf(ask: ExecutionAsk, known: Known, { path, stated, asker }: Model): Record<string, number> {
  const ids = idsOf(path)
  const counted = ask.inputTokens
  const declared = declaredOutput(ask.input)
  const room = (id: string) => roomOf(known.resources[id], asker)
  const total = stated[ids.total]
  const statedOutput = stated[ids.output]
  if (statedOutput === undefined) {
    const input = stated[ids.input]
    const inputUnits =
      input === undefined ? {} : { [ids.input]: inputOf(input, counted, known.learned[ids.input]) }
    if (total === undefined) return inputUnits
    if (counted !== null && declared !== null) return { ...inputUnits, [ids.total]: counted + declared }
    const units = learnedOf(known.learned[ids.total]) ?? Math.max(total, counted ?? 0)
    return { ...inputUnits, [ids.total]: Math.max(counted ?? 1, Math.min(units, room(ids.total))) }
  }
  const input = inputOf(stated[ids.input] ?? 0, counted, known.learned[ids.input])
  const most = Math.min(room(ids.output), total === undefined ? Infinity : room(ids.total) - input)
  const undeclared = learnedOf(known.learned[ids.output]) ?? statedOutput
  const output = declared ?? Math.max(1, Math.min(undeclared, most))
  return {
    ...(stated[ids.input] !== undefined && { [ids.input]: input }),
    [ids.output]: output,
    ...(total !== undefined && { [ids.total]: input + output }),
  }
}

/** E4. */
function inputOf(stated: number, counted: number | null, learned: LearnedUse | undefined): number {
  if (counted === null) return learnedOf(learned) ?? stated
  const overhead = learned !== undefined && learned.samples >= SAMPLES_MIN ? learned.overheadP90 : null
  return overhead === null ? Math.max(1, counted, stated) : Math.max(1, counted + overhead)
}

function learnedOf(learned: LearnedUse | undefined): number | null {
  return learned !== undefined && learned.samples >= SAMPLES_MIN ? Math.max(1, learned.p90) : null
}

/** The most units that the resource can ever admit at once for the asker. */
function roomOf(resource: Resource | undefined, asker: Asker): number {
  if (resource === undefined) return Infinity
  const rooms = poolsFor(carve(resource), asker).map(({ limits, sizes }) => {
    const counting = sizes.filter((_, nth) => {
      const limit = limits[nth]
      return limit !== undefined && needOfLimit(limit, 2) === 2
    })
    return Math.min(Infinity, ...counting)
  })
  return Math.max(1, ...rooms)
}
