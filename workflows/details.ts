// What an operator reads of a request in Temporal's Web UI: Markdown, at most a screen.

import type { Plan } from '../domain/admission.ts'
import { formatUsd } from '../domain/money.ts'
import type { Blocking, Queued } from '../limiter/effect.ts'

export type Phase =
  | { readonly kind: 'deferred'; readonly untilMs: number }
  | { readonly kind: 'waiting'; readonly queued: Queued | null }
  | { readonly kind: 'executing'; readonly worker: string }
  | { readonly kind: 'settling'; readonly ending: string }
  | { readonly kind: 'ended'; readonly state: string; readonly costUsd: string }

export function describe(plan: Plan, phase: Phase): string {
  const demand = plan.demand.map(([id, units]) => `${units} ${id}`).join(', ')
  return [
    `**${phase.kind === 'ended' ? phase.state : phase.kind}**${situation(phase)}`,
    '',
    `| client | tier | urgency | demand | estimate |`,
    `|---|---|---|---|---|`,
    `| ${plan.clientId} | ${plan.tier} | ${plan.urgency} | ${demand || 'none'} | $${formatUsd(plan.estimatedNanoUsd)} |`,
  ].join('\n')
}

function situation(phase: Phase): string {
  switch (phase.kind) {
    case 'deferred':
      return ` until ${new Date(phase.untilMs).toISOString()}`
    case 'waiting':
      return phase.queued === null ? ' for the limiter' : queuedText(phase.queued)
    case 'executing':
      return ` by ${phase.worker}`
    case 'settling':
      return ` (${phase.ending})`
    case 'ended':
      return `, cost $${phase.costUsd}`
    default:
      return phase satisfies never
  }
}

function queuedText({ position, etaMs, waitingFor }: Queued): string {
  const start = etaMs === null ? 'start unknown' : `start expected ${new Date(etaMs).toISOString()}`
  return ` at position ${position}, ${start}${waitingFor === null ? '' : `, for ${blockingText(waitingFor)}`}`
}

function blockingText({ resourceId, limit, needed, available }: Blocking): string {
  return `${resourceId} (limit ${limit}: needs ${needed}, has ${available})`
}
