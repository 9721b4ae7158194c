// Status callbacks: what became of a message, told to the address that its sender named.

import type { TimedFate } from './gate.ts'

/** Timers cannot wait longer. */
const DELAY_MS_MAX = 2 ** 31 - 1
const VALIDITY_EXPIRED = 30_036

export type Report = { readonly url: string; readonly fields: Readonly<Record<string, string>> }

/** Reports the fate when it comes, `times` times. */
export function reportFate(
  fate: TimedFate,
  { report, atMs, times }: { report: Report; atMs: number; times: number },
): void {
  const delayMs = Math.max(0, fate.atMs - atMs)
  if (delayMs > DELAY_MS_MAX) return
  const body = new URLSearchParams({
    ...report.fields,
    MessageStatus: fate.kind === 'sent' ? 'sent' : 'failed',
    ...(fate.kind === 'sent' ? {} : { ErrorCode: String(VALIDITY_EXPIRED) }),
  })
  setTimeout(() => {
    for (let time = 0; time < times; time += 1) {
      fetch(report.url, { method: 'POST', body }).catch((error: unknown) => {
        console.error(`nobody took the status callback at ${report.url}: ${String(error)}`)
      })
    }
  }, delayMs).unref()
}
