// One process of the service: the API, the Temporal workers, or (as `npm start` runs it) both.
// N1 It says `{ kind: 'ready', url }` to its parent, if it has one, once it serves.
// N2 SIGTERM and SIGINT end it in order: no new calls, running ones finish, then the connections.

import { pino } from 'pino'
import { explain } from './fault.ts'
import { startService, type Role } from './service.ts'

const ROLES: readonly Role[] = ['api', 'worker']

const log = pino({ level: process.env['RM_LOG_LEVEL'] ?? 'info', redact: ['*.authorization', '*.key'] })

const named = process.argv.slice(2)
const roles = named.length === 0 ? ROLES : ROLES.filter((role) => named.includes(role))
if (roles.length < named.length) {
  log.fatal(`got ${named.join(' ')}, expected any of ${ROLES.join(', ')}`)
  process.exit(2)
}

try {
  const service = await startService({ environment: process.env, roles, log })
  let isStopping = false
  const stop = (code: number): void => {
    if (isStopping) return
    isStopping = true
    service.stop().then(
      () => process.exit(code),
      (error: unknown) => {
        log.error({ err: error }, 'the service did not stop in order')
        process.exit(1)
      },
    )
  }
  process.on('SIGTERM', () => stop(0))
  process.on('SIGINT', () => stop(0))
  service.failed.catch((error: unknown) => {
    log.fatal({ err: error }, 'a Temporal worker failed')
    stop(1)
  })
  log.info({ url: service.url, roles }, 'ready')
  process.send?.({ kind: 'ready', url: service.url })
} catch (error) {
  log.fatal({ err: error }, explain(error))
  process.exit(1)
}
