// What the replay needs in the running system and at the provider: registered by the same routes that anyone uses.

import { scenarioSchema, type Scenario } from '../../simulator/scenario.ts'
import type { ApiClient } from './api-client.ts'
import { status } from './answers.ts'
import { CLIENTS } from './casting.ts'
import { JITTER_MS, MODEL, PRICES, PRICE_SOURCE, RESOURCE, WORKER, type Bucket } from './plan.ts'

const DAY_MS = 86_400_000
const QUEUE_MIN = 1_000
/** Prices hold from before any replay. */
const EFFECTIVE_FROM = '2026-01-01T00:00:00.000Z'

/** Registers everything; answers where the provider simulator is. */
export async function setUp(
  api: ApiClient,
  { bucket, requests }: { bucket: Bucket; requests: number },
): Promise<{ readonly simulatorUrl: string }> {
  const { simulator, sampleWorker } = status.parse(await api.get('/status'))
  if (simulator == null || sampleWorker == null) {
    throw new Error('GET /status names no simulator and sample worker: the replay needs both')
  }
  await setProviderLimit(simulator, bucket)

  const limited = {
    unit: 'tokens',
    provider: 'openai',
    limits: [{ type: 'token-bucket', ...bucket }],
    jitterMs: JITTER_MS,
    refund: 'none',
    maxQueue: Math.max(QUEUE_MIN, requests),
    maxWaitMs: DAY_MS,
  }
  const counted = { unit: 'tokens', provider: 'openai', limits: [] }
  await api.put(`/admin/resources/${RESOURCE.tokens}`, limited)
  await api.put(`/admin/resources/${RESOURCE.input}`, counted)
  await api.put(`/admin/resources/${RESOURCE.output}`, counted)
  for (const [resource, perUnitUsd] of Object.entries(PRICES)) {
    const price = { effectiveFrom: EFFECTIVE_FROM, perUnitUsd, source: PRICE_SOURCE }
    await api.put(`/admin/prices/${resource}`, price)
  }
  const at = `${sampleWorker}/workers/${WORKER}`
  await api.put(`/api/workers/${WORKER}`, {
    version: '1.0',
    capabilities: ['chat'],
    endpoints: { health: `${at}/health`, execute: `${at}/execute`, cancel: `${at}/cancel` },
    timeoutMs: 60_000,
    expectedMs: 1_000,
    retryPolicy: { maxAttempts: 5, backoffMs: [1_000, 2_000, 5_000] },
  })
  for (const { id, tier } of CLIENTS) {
    await api.put(`/api/clients/${id}`, {
      tier,
      // The trace does not say how many requests a client has at once: the limit of the provider is what is looked at.
      maxConcurrent: Math.max(QUEUE_MIN, requests),
      budgets: [{ unit: 'USD', amount: '100000', period: 'total', enforcement: 'hard' }],
    })
  }
  return { simulatorUrl: simulator }
}

/** Adds the model's limit to the scenario that the simulated providers enforce. */
async function setProviderLimit(simulatorUrl: string, bucket: Bucket): Promise<void> {
  const scenario = scenarioSchema.parse(await (await fetch(`${simulatorUrl}/admin/scenario`)).json())
  const others = scenario.groups.filter(({ account, family }) => account !== 'openai' || family !== MODEL)
  const group = {
    account: 'openai',
    family: MODEL,
    style: 'openai',
    chargeRejected: true,
    latencyMs: 20,
    limits: [{ type: 'token-bucket', dimension: 'tokens', ...bucket }],
  }
  const next: Scenario = scenarioSchema.parse({ ...scenario, groups: [...others, group] })
  const response = await fetch(`${simulatorUrl}/admin/scenario`, {
    method: 'PUT',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(next),
  })
  if (!response.ok) throw new Error(`the simulator refused the limit: ${await response.text()}`)
}
