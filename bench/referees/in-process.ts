// Rate limiters of npm as referees of windows that begin with a first hit: one by itself, one as middleware of an
// Express application on loopback.

import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import express from 'express'
import { rateLimit } from 'express-rate-limit'
import { RateLimiterMemory, RateLimiterRes } from 'rate-limiter-flexible'
import { Pool } from 'undici'

import type { Decision, Referee } from './referee.ts'

export type FirstHitLimit = { readonly units: number; readonly windowMs: number }

const KEY = 'referee'
const CONNECTIONS = 64

export function startFlexible({ units, windowMs }: FirstHitLimit): Promise<Referee> {
  const limiter = new RateLimiterMemory({ points: units, duration: windowMs / 1_000 })
  const decisions: Decision[] = []
  const call = async (): Promise<boolean> => {
    const isAdmitted = await limiter.consume(KEY).then(
      () => true,
      (reason: unknown) => {
        if (reason instanceof RateLimiterRes) return false
        throw reason
      },
    )
    decisions.push({ atMs: Date.now(), isAdmitted })
    return isAdmitted
  }
  return Promise.resolve({ call, stop: () => Promise.resolve(decisions) })
}

export async function startExpress({ units, windowMs }: FirstHitLimit): Promise<Referee> {
  const decisions: Decision[] = []
  const app = express()
  const note = (isAdmitted: boolean): number => decisions.push({ atMs: Date.now(), isAdmitted })
  app.use(
    rateLimit({
      limit: units,
      windowMs,
      keyGenerator: () => KEY,
      handler(_request, response) {
        note(false)
        response.status(429).end()
      },
    }),
  )
  app.get('/', (_request, response) => {
    note(true)
    response.end()
  })
  const server = createServer(app).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const pool = new Pool(`http://127.0.0.1:${port}`, { connections: CONNECTIONS })
  return {
    async call() {
      const { statusCode, body } = await pool.request({ path: '/', method: 'GET' })
      await body.dump()
      return statusCode === 200
    },
    async stop() {
      await pool.close()
      server.close()
      return decisions
    },
  }
}
