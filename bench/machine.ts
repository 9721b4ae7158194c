// What a figure was measured on: printed with every figure.

import { cpus, totalmem } from 'node:os'
import { readFile } from 'node:fs/promises'

export async function describeMachine(): Promise<string> {
  const { dependencies } = JSON.parse(
    await readFile(new URL('../package.json', import.meta.url), 'utf8'),
  ) as { dependencies: Record<string, string> }
  const [cpu] = cpus()
  const gibibytes = Math.round(totalmem() / 2 ** 30)
  return [
    `${cpus().length} x ${cpu?.model ?? 'unknown CPU'}, ${gibibytes} GiB, ${process.platform}`,
    `node ${process.version}, @temporalio/worker ${dependencies['@temporalio/worker'] ?? '?'}`,
  ].join('; ')
}
