// Ports of the embedded parts: the wanted one, or the next that is free.

import { randomInt } from 'node:crypto'
import { createServer } from 'node:net'

import { Fault, codeOf } from '../fault.ts'

const ATTEMPTS_MAX = 200
/**
 * Where any port will do: below those that systems take for outgoing connections (from 32,768 on under Linux), one of
 * which may hold a port of theirs in the moment in which it is to be listened on again.
 */
const ANY = { from: 20_000, to: 32_000 }

/** Hands out free ports; none twice, unless it was given back. */
export class Ports {
  readonly #given = new Set<number>()

  /** The wanted port or the next free one above it; any free one for 0. */
  async next(host: string, wanted: number): Promise<number> {
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt += 1) {
      const candidate = wanted === 0 ? randomInt(ANY.from, ANY.to) : wanted + attempt
      if (candidate > 65_535) break
      if (this.#given.has(candidate)) continue
      const port = await tryPort(host, candidate)
      if (port === null || this.#given.has(port)) continue
      this.#given.add(port)
      return port
    }
    throw new Fault(
      `No free port was found from ${wanted} on, at ${host}.`,
      'set another port (`npm start -- --help` lists the variables), or end what holds these.',
    )
  }

  giveBack(...ports: readonly (number | undefined)[]): void {
    for (const port of ports) if (port !== undefined) this.#given.delete(port)
  }
}

function tryPort(host: string, port: number): Promise<number | null> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', (error) => {
      const code = codeOf(error)
      if (code === 'EADDRINUSE' || code === 'EACCES') resolve(null)
      else reject(unusableHost(host, error))
    })
    server.listen({ host, port, exclusive: true }, () => {
      const address = server.address()
      const bound = typeof address === 'object' && address !== null ? address.port : port
      server.close(() => resolve(bound))
    })
  })
}

function unusableHost(host: string, error: Error): Error {
  const code = codeOf(error)
  if (code !== 'EADDRNOTAVAIL' && code !== 'ENOTFOUND' && code !== 'EINVAL') return error
  return new Fault(
    `This machine cannot listen on the address ${host} (${code}).`,
    'set RM_HOST to 127.0.0.1, to 0.0.0.0, or to an address of this machine.',
  )
}
