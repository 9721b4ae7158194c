// The sample workers as a process of its own.
//
// PORT, RM_HOST     where it listens (default: any port of 127.0.0.1)
// RM_SIMULATOR_URL  where the providers are

import { serveAsChild } from '../../simulator/child-process.ts'
import { createWorkers } from './app.ts'

const simulatorUrl = process.env['RM_SIMULATOR_URL']
if (simulatorUrl === undefined || !URL.canParse(simulatorUrl)) {
  console.error(
    `RM_SIMULATOR_URL is ${JSON.stringify(simulatorUrl)}, expected the provider simulator's address`,
  )
  process.exit(1)
}
const app = createWorkers({ simulatorUrl: simulatorUrl.replace(/\/+$/, '') })
await serveAsChild(app, { name: 'sample workers', onEnd: () => Promise.resolve() })
