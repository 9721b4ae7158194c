// Errors that are nobody's answer, told as problems: the body parser's, the router's, the database's.

import { Problem, unavailable } from './problem.ts'
import { BODY_BYTES_MAX } from './route.ts'

/** Codes of Node, postgres.js and Postgres that say: not now. */
const AWAY = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ENOENT',
  'ETIMEDOUT',
  'CONNECT_TIMEOUT',
  'CONNECTION_CLOSED',
  'CONNECTION_DESTROYED',
  'CONNECTION_ENDED',
  '53300',
  '53400',
  '55P03',
  '57014',
  '57P01',
  '57P02',
  '57P03',
])

/** Any error as the problem that is answered; what nobody foresaw is `internal`, without its text. */
export function problemFrom(error: unknown): Problem {
  if (error instanceof Problem) return error
  const { status, type, message } = membersOf(error)
  if (isAway(error)) return unavailable('the database cannot be reached')
  if (type === 'entity.too.large')
    return new Problem('too-large', `the body is larger than ${BODY_BYTES_MAX} bytes`)
  if (type === 'entity.parse.failed')
    return new Problem('invalid-request', `the body is not JSON: ${message}`)
  if (status === 415) return new Problem('unsupported-media-type', message)
  if (typeof status === 'number' && status >= 400 && status < 500)
    return new Problem('invalid-request', message)
  return new Problem('internal', 'the error is in the log under this request id')
}

function isAway(error: unknown): boolean {
  const { code } = membersOf(error)
  return typeof code === 'string' && AWAY.has(code)
}

function membersOf(error: unknown): { status: unknown; type: unknown; code: unknown; message: string } {
  const from = typeof error === 'object' && error !== null ? error : {}
  return {
    status: 'status' in from ? from.status : null,
    type: 'type' in from ? from.type : null,
    code: 'code' in from ? from.code : null,
    message: error instanceof Error ? error.message : '',
  }
}

const TEMPORAL_TIMEOUT_MS = 10_000

/** Runs what needs Temporal; where Temporal is away, or takes too long, it is `unavailable`. */
export async function overTemporal<T>(run: () => Promise<T>, requestId?: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const tooLate = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(
      () => reject(new Error(`no answer within ${TEMPORAL_TIMEOUT_MS} ms`)),
      TEMPORAL_TIMEOUT_MS,
    )
  })
  try {
    return await Promise.race([run(), tooLate])
  } catch (error) {
    if (error instanceof Problem || isAway(error)) throw error
    const problem = unavailable('Temporal cannot be reached', requestId === undefined ? {} : { requestId })
    problem.cause = error
    throw problem
  } finally {
    clearTimeout(timer)
  }
}
