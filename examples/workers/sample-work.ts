// What every sample worker does: it spends the units it was granted at their providers, one call for each account and
// model, and reports what it used by the names of the resources. What no provider counts is used as granted.

import { answer, badInput, type Call, type Outcome, type Work } from './call.ts'
import { callProvider, hints } from './provider-calls.ts'
import { providerOf, type ProviderUse } from './provider-of.ts'

export function sampleWork({ worker, simulatorUrl }: { worker: string; simulatorUrl: string }): Work {
  return async (call, signal) => {
    const isMap = typeof call.input === 'object' && call.input !== null && !Array.isArray(call.input)
    const told = hints.safeParse(isMap ? call.input : {})
    if (!told.success) return badInput(told.error, '/input')

    const { own, spends } = plan(call)
    const consumed: Record<string, number> = {}
    const outputs: Record<string, unknown> = {}
    for (const { account, family, resources } of spends) {
      const granted = Object.fromEntries(resources.map(({ dimension, units }) => [dimension, units]))
      const result = await callProvider({
        baseUrl: simulatorUrl,
        account,
        family,
        granted,
        input: call.input,
        signal,
      })
      if (result.kind !== 'done') return failed(result, { consumed, isCancelled: signal.aborted })
      for (const { id, dimension, units } of resources) consumed[id] = result.consumed[dimension] ?? units
      outputs[family === '*' ? account : `${account}/${family}`] = result.output
    }
    const output = { worker, action: call.action ?? null, results: outputs }
    return answer(200, { status: 'success', output, resourcesConsumed: { ...consumed, ...own } })
  }
}

type Spend = {
  readonly account: string
  readonly family: string
  readonly resources: { readonly id: string; readonly dimension: string; readonly units: number }[]
}

function plan({ resources }: Call): { own: Record<string, number>; spends: readonly Spend[] } {
  const own: Record<string, number> = {}
  const spends = new Map<string, Spend>()
  for (const [id, units] of Object.entries(resources)) {
    const use: ProviderUse | null = providerOf(id)
    if (use === null) {
      own[id] = units
      continue
    }
    const { account, family, dimension } = use
    const key = `${account}/${family}`
    const spend = spends.get(key) ?? { account, family, resources: [] }
    spend.resources.push({ id, dimension, units })
    spends.set(key, spend)
  }
  return { own, spends: [...spends.values()] }
}

type Failed = Exclude<Awaited<ReturnType<typeof callProvider>>, { kind: 'done' }>

/** Calls made before the failing one are reported, because they were charged; with none there is no report. */
function failed(
  result: Failed,
  { consumed, isCancelled }: { consumed: Record<string, number>; isCancelled: boolean },
): Outcome {
  const isAnyDone = Object.keys(consumed).length > 0
  const report = { status: 'failure', ...(isAnyDone ? { resourcesConsumed: consumed } : {}) } as const
  if (isCancelled) return answer(200, { ...report, error: 'cancelled' })
  switch (result.kind) {
    case 'throttled':
      return answer(429, { ...report, error: result.error }, result.headers)
    case 'unavailable':
      return answer(502, { ...report, error: result.error })
    case 'refused':
      return answer(200, { ...report, error: result.error })
    default:
      return result satisfies never
  }
}
