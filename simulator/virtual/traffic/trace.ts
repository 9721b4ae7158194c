// Hours of a recorded workload. The first hour is as it was; more hours are made of its minutes, drawn at random with
// replacement, so that bursts and sizes stay as they were recorded and only their order is made up.

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { parseTrace, type TraceRow } from '../../../examples/replay/trace.ts'
import type { Random } from '../random.ts'

const MINUTE_MS = 60_000
const DATASETS = join(import.meta.dirname, '../../../examples/data')

/** Rows by the minute they came in. */
export type Trace = readonly (readonly TraceRow[])[]

const traces = new Map<string, Trace>()

/** A file of `examples/data`, packed or not. */
export function loadTrace(file: string): Trace {
  const known = traces.get(file)
  if (known !== undefined) return known
  const bytes = readFileSync(join(DATASETS, file))
  const rows = parseTrace((file.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString('utf8'))
  const minutes: TraceRow[][] = []
  for (const row of rows) {
    const minute = Math.floor(row.atMs / MINUTE_MS)
    while (minutes.length <= minute) minutes.push([])
    minutes[minute]?.push({ ...row, atMs: row.atMs - minute * MINUTE_MS })
  }
  traces.set(file, minutes)
  return minutes
}

/** Rows without end, at their times after the beginning, `speed` times as fast. */
export function* rowsOf(trace: Trace, speed: number, random: Random): Generator<TraceRow> {
  // The last minute is cut off where the recording ended.
  const whole = trace.slice(0, -1)
  for (let nth = 0; ; nth += 1) {
    const minute = whole[nth] ?? whole[random.between(0, whole.length - 1)] ?? []
    for (const row of minute) yield { ...row, atMs: (nth * MINUTE_MS + row.atMs) / speed }
  }
}
