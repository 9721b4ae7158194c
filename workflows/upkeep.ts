// What falls due without anybody asking, started by Temporal Schedules (ops/upkeep-schedules.ts): one run at a time,
// however many processes there are.
//
// U1  The steps of a run follow each other. One that fails is tried again, and never keeps the next one from running.
// U2  A run tells what it found; it fails, for everybody to see, only after its last step.

import { ActivityFailure, ApplicationFailure, proxyActivities, setCurrentDetails } from '@temporalio/workflow'
import type { Found, HousekeepingActivities, RepairActivities } from '../activities/upkeep-activities.ts'
import type { UpkeepReport } from './messages.ts'

type Activities = RepairActivities & HousekeepingActivities

/** In their order, as they are told in the Web UI. */
type Steps = readonly (readonly [step: keyof Activities, summary: string])[]

const REPAIRS: Steps = [
  ['resendLost', 'reservations sent again, of which the limiter had not been told'],
  ['endOrphans', 'requests ended, whose workflow was gone'],
  ['endOverdue', 'reservations ended, whose time was over'],
  ['settleUnknown', 'reservations booked as assumed, whose use nobody told in a day'],
  ['rollUpUsage', 'lines of usage rolled up'],
  ['learnUse', 'templates and workers whose use was learned anew'],
]

const HOUSEKEEPING: Steps = [
  ['makePartitions', 'partitions made ahead'],
  ['forgetRefused', 'refused requests forgotten'],
  ['forgetRequests', 'ended requests forgotten'],
  ['forgetEvents', 'events forgotten'],
  ['forgetPeriods', 'periods of budgets forgotten'],
  ['forgetSlices', 'slices of rolling budgets forgotten'],
  ['dropUsage', 'months of usage dropped'],
]

export async function repair(): Promise<UpkeepReport> {
  return await inTurn(REPAIRS)
}

export async function housekeeping(): Promise<UpkeepReport> {
  return await inTurn(HOUSEKEEPING)
}

const STEP_TIMEOUT_MS = 120_000
const ATTEMPTS_MAX = 3

async function inTurn(steps: Steps): Promise<UpkeepReport> {
  const report: Record<string, Found> = {}
  const failures: string[] = []
  for (const [step, summary] of steps) {
    const activities = proxyActivities<Activities>({
      startToCloseTimeout: STEP_TIMEOUT_MS,
      retry: { initialInterval: 1_000, maximumAttempts: ATTEMPTS_MAX },
      summary,
    })
    try {
      const found = await activities[step]()
      if (sizeOf(found) > 0) report[step] = found
    } catch (error) {
      if (!(error instanceof ActivityFailure)) throw error
      failures.push(`${step}: ${error.cause?.message ?? error.message}`)
    }
    setCurrentDetails(describe(steps, report, failures))
  }
  if (failures.length > 0) throw ApplicationFailure.nonRetryable(failures.join('; '))
  return report
}

function describe(steps: Steps, report: UpkeepReport, failures: readonly string[]): string {
  const found = steps.flatMap(([step, summary]) => {
    const what = report[step]
    if (what === undefined) return []
    const ids = typeof what === 'number' ? '' : `: ${what.join(', ')}`
    return [`- **${sizeOf(what)}** ${summary}${ids}`]
  })
  const failed = failures.map((failure) => `- **failed** ${failure}`)
  return [...found, ...failed].join('\n') || 'nothing was to do'
}

function sizeOf(found: Found): number {
  return typeof found === 'number' ? found : found.length
}
