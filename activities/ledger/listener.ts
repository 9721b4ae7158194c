// A connection that hears the notifications of one channel.
//
// L1  A connection that dies is replaced; what was notified in between is not heard.

import type { Client } from 'pg'

const RECONNECT_MS = 500

export type Hearing = { readonly channel: string; readonly hear: (payload: string) => void }

export class Listener {
  readonly #connect: () => Client
  readonly #hearing: Hearing
  #client: Client | null = null
  #timer: NodeJS.Timeout | null = null
  #isStopped = false

  private constructor(connect: () => Client, hearing: Hearing) {
    this.#connect = connect
    this.#hearing = hearing
  }

  /** Rejects where the first connection cannot be made. */
  static async start(connect: () => Client, hearing: Hearing): Promise<Listener> {
    const listener = new Listener(connect, hearing)
    await listener.#open()
    return listener
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    if (this.#timer !== null) clearTimeout(this.#timer)
    await this.#client?.end()
  }

  async #open(): Promise<void> {
    const client = this.#connect()
    let isOver = false
    const over = () => {
      if (isOver) return
      isOver = true
      this.#client = null
      if (!this.#isStopped) this.#openLater()
    }
    client.on('notification', ({ payload = '' }: { payload?: string }) => this.#hearing.hear(payload))
    await client.connect()
    client.on('error', over)
    client.on('end', over)
    this.#client = client
    await client.query(`listen ${this.#hearing.channel}`)
  }

  #openLater(): void {
    this.#timer = setTimeout(() => {
      this.#open().catch(() => this.#openLater())
    }, RECONNECT_MS)
    this.#timer.unref()
  }
}
