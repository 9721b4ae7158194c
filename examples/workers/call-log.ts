// Every call that came in, for whoever wants to see who was called how often: the last CALLS_MAX.

const CALLS_MAX = 10_000

export type LoggedCall = {
  readonly worker: string
  readonly requestId: string
  readonly attempt: number
  readonly key: string
  readonly arrivedAt: string
  /** Null while it runs. */
  endedAt: string | null
  /** What was answered; `crash` for a broken connection. */
  result: number | 'crash' | null
  /** The key was known: no work was done for this call. */
  isReplay: boolean
}

export type CallLog = {
  begin(call: Pick<LoggedCall, 'worker' | 'requestId' | 'attempt' | 'key'>): LoggedCall
  list(): readonly LoggedCall[]
}

export function openCallLog(callsMax = CALLS_MAX): CallLog {
  const calls: LoggedCall[] = []
  return {
    begin(call) {
      const logged = { ...call, arrivedAt: now(), endedAt: null, result: null, isReplay: false }
      calls.push(logged)
      if (calls.length > callsMax) calls.shift()
      return logged
    },
    list: () => calls,
  }
}

export function now(): string {
  return new Date().toISOString()
}
