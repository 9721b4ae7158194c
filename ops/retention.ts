// How long the ledger remembers, from the environment.

import { REQUESTS_KEPT_MS_MIN, RETENTION_DEFAULT, type Retention } from '../activities/ledger/retention.ts'
import { Fault } from './fault.ts'

const DAY_MS = 86_400_000

/** Throws one Fault that names every variable that cannot be used. */
export function readRetention(source: Readonly<Record<string, string | undefined>>): Retention {
  const wrong: string[] = []
  const whole = (name: string, { min, standard }: { min: number; standard: number }): number => {
    const text = source[name]?.trim() || String(standard)
    if (/^\d{1,6}$/.test(text) && Number(text) >= min) return Number(text)
    wrong.push(`${name} is ${JSON.stringify(text)}, expected a whole number, at least ${min}`)
    return standard
  }
  const { requestsMs, usageLinesMonths, usageSumsMonths } = RETENTION_DEFAULT
  const days = { min: REQUESTS_KEPT_MS_MIN / DAY_MS, standard: requestsMs / DAY_MS }
  const retention: Retention = {
    requestsMs: whole('RM_KEEP_REQUESTS_DAYS', days) * DAY_MS,
    usageLinesMonths: whole('RM_KEEP_USAGE_LINES_MONTHS', { min: 1, standard: usageLinesMonths }),
    usageSumsMonths: whole('RM_KEEP_USAGE_MONTHS', { min: 1, standard: usageSumsMonths }),
  }
  if (wrong.length === 0) return retention
  throw new Fault(`The environment cannot be used: ${wrong.join('; ')}.`, 'set it as said, or leave it out.')
}
