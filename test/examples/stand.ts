// Sample workers and the provider simulator, listening on free ports for the length of a test file.

import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import { createWorkers } from '../../examples/workers/app.ts'
import { createSimulator } from '../../simulator/app.ts'
import { monotonicClock } from '../../simulator/clock.ts'
import { openLog, type Log } from '../../simulator/log.ts'
import { readScenario, type Scenario } from '../../simulator/scenario.ts'

export const standardScenario: Scenario = readScenario(
  new URL('../../simulator/scenarios/default.yaml', import.meta.url),
)

export type Listening = { readonly url: string; readonly close: () => void }

export async function listen(listener: RequestListener): Promise<Listening> {
  const server = createServer(listener).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  return { url: `http://127.0.0.1:${port}`, close: () => server.close().closeAllConnections() }
}

export type WorkersStand = {
  readonly simulatorUrl: string
  readonly workersUrl: string
  readonly log: Log
  readonly close: () => void
}

export async function workersStand(scenario = standardScenario): Promise<WorkersStand> {
  const log = openLog(null)
  const simulator = await listen(createSimulator({ scenario, clock: monotonicClock(), log }))
  const workers = await listen(createWorkers({ simulatorUrl: simulator.url }))
  const close = (): void => {
    workers.close()
    simulator.close()
  }
  return { simulatorUrl: simulator.url, workersUrl: workers.url, log, close }
}

export async function post(url: string, body: unknown, headers: Record<string, string> = {}) {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  })
  return {
    status: response.status,
    headers: response.headers,
    body: (await response.json()) as Record<string, unknown>,
  }
}
