// node simulator/check.ts LOG [SCENARIO]: judges a log of the provider simulator and prints what it finds.
// Exit code 1 where a limit was broken, a call rejected without need or the log is not whole, 2 where the files cannot be read.

import { createReadStream } from 'node:fs'
import { createInterface } from 'node:readline'
import Table from 'cli-table3'
import { check, type Verdict } from './checker.ts'
import { entrySchema, type Entry } from './log.ts'
import { readScenario } from './scenario.ts'

const [logFile, scenarioFile] = process.argv.slice(2)
if (logFile === undefined) {
  console.error('usage: node simulator/check.ts LOG [SCENARIO]')
  process.exit(2)
}
try {
  const scenario = scenarioFile === undefined ? undefined : readScenario(scenarioFile)
  const verdict = check(await readLog(logFile), scenario)
  console.log(describe(verdict))
  process.exitCode = isClean(verdict) ? 0 : 1
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 2
}

async function readLog(file: string): Promise<Entry[]> {
  const entries: Entry[] = []
  let lineNumber = 0
  for await (const line of createInterface({ input: createReadStream(file) })) {
    lineNumber += 1
    if (line.trim() === '') continue
    const parsed = entrySchema.safeParse(parseLine(line))
    if (!parsed.success) throw new Error(`${file}, line ${lineNumber} is no entry of the simulator's log`)
    entries.push(parsed.data)
  }
  return entries
}

function isClean({ violations, unjust, gaps, miscounts }: Verdict): boolean {
  return violations + unjust + gaps + miscounts === 0
}

function parseLine(line: string): unknown {
  try {
    return JSON.parse(line)
  } catch {
    return undefined
  }
}

function describe(verdict: Verdict): string {
  const table = new Table({
    head: ['limit', 'admitted', 'rejected', 'units', 'worst window', 'at', 'size', 'use'],
    style: { head: [], border: [] },
  })
  for (const { limit, admitted, rejected, units, peak, peakAtMs, size, use } of verdict.uses) {
    const percent = use === null ? '-' : `${(100 * use).toFixed(2)} %`
    const at = peakAtMs === null ? '-' : new Date(peakAtMs).toISOString()
    table.push([limit, admitted, rejected, units, peak, at, size, percent])
  }
  const found = verdict.findings.map(
    ({ kind, seq, atMs, limit, detail }) =>
      `${kind} at entry ${seq}, ${new Date(atMs).toISOString()}, ${limit}: ${detail}`,
  )
  return [
    table.toString(),
    ...found,
    `${verdict.arrivals} arrivals: ${verdict.admitted} admitted, ${verdict.rejected} rejected; ` +
      `${verdict.violations} violations, ${verdict.unjust} unjust rejections` +
      (verdict.gaps + verdict.miscounts === 0
        ? ''
        : `, ${verdict.gaps} gaps and ${verdict.miscounts} miscounts in the log`),
  ].join('\n')
}
