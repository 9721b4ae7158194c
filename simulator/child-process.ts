// What a process of ours owes the one that started it: it listens where PORT and RM_HOST say (0: any port), tells its
// address in a message and on a line, and ends on SIGTERM, on SIGINT and when the channel to its parent closes.

import { createServer, type RequestListener } from 'node:http'

const HOST_STANDARD = '127.0.0.1'
const END_MS_MAX = 2_000

/** Serves until told to end; `onEnd` runs last. Rejects where the address is not a free one. */
export async function serveAsChild(
  listener: RequestListener,
  { name, onEnd }: { name: string; onEnd: () => Promise<void> },
): Promise<string> {
  const server = createServer(listener)
  const port = portFrom(process.env['PORT'])
  const host = process.env['RM_HOST'] ?? HOST_STANDARD
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, resolve)
  })
  const address = server.address()
  const url = `http://${host}:${typeof address === 'object' && address !== null ? address.port : port}`

  let isEnding = false
  const end = async (): Promise<void> => {
    if (isEnding) return
    isEnding = true
    setTimeout(() => process.exit(0), END_MS_MAX).unref()
    server.close()
    server.closeAllConnections()
    await onEnd()
    process.exit(0)
  }
  process.once('SIGTERM', () => void end())
  process.once('SIGINT', () => void end())
  process.once('disconnect', () => void end())

  process.send?.({ kind: 'ready', url })
  console.log(`${name} ${url}`)
  return url
}

function portFrom(text: string | undefined): number {
  const port = Number(text ?? '0')
  if (Number.isInteger(port) && port >= 0 && port <= 65_535) return port
  throw new Error(`PORT is ${JSON.stringify(text)}, expected 0 to 65535`)
}
