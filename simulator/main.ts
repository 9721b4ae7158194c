// The provider simulator as a process of its own.
//
// PORT, RM_HOST          where it listens (default: any port of 127.0.0.1)
// RM_SIMULATOR_LOG       file that every decision is appended to (default: memory only)
// RM_SIMULATOR_SCENARIO  limits to begin with (default: scenarios/default.yaml)

import { createSimulator } from './app.ts'
import { serveAsChild } from './child-process.ts'
import { monotonicClock } from './clock.ts'
import { openLog } from './log.ts'
import { readScenario } from './scenario.ts'

const scenario = readScenario(
  process.env['RM_SIMULATOR_SCENARIO'] ?? new URL('scenarios/default.yaml', import.meta.url),
)
const log = openLog(process.env['RM_SIMULATOR_LOG'] ?? null)
const app = createSimulator({ scenario, clock: monotonicClock(), log })
await serveAsChild(app, { name: 'provider simulator', onEnd: () => log.close() })
