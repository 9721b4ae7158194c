// Providers, as they count: models of their own, written from their descriptions and sharing nothing with the limiter.
// Real numbers, whole logs: slow and plain.

export type Call = { readonly atMs: number; readonly units: number }

/** Takes a call at its arrival, or refuses it. Calls come in the order of their times. */
export type Provider = (call: Call) => boolean

function sum(calls: readonly Call[], fromMs: number, untilMs: number): number {
  return calls.reduce((all, { atMs, units }) => (atMs >= fromMs && atMs < untilMs ? all + units : all), 0)
}

/** Keeps what it takes; `isTooMuch` judges with the call among them. */
function withLog(isTooMuch: (taken: readonly Call[], atMs: number) => boolean): Provider {
  let taken: readonly Call[] = []
  return (call) => {
    const all = [...taken, call]
    if (isTooMuch(all, call.atMs)) return false
    taken = all
    return true
  }
}

export function bucketProvider(capacity: number, refillUnits: number, refillMs: number): Provider {
  let level = BigInt(capacity * refillMs)
  let lastMs = 0
  return ({ atMs, units }) => {
    level += BigInt((atMs - lastMs) * refillUnits)
    if (level > BigInt(capacity * refillMs)) level = BigInt(capacity * refillMs)
    lastMs = atMs
    if (level < BigInt(units * refillMs)) return false
    level -= BigInt(units * refillMs)
    return true
  }
}

export function logProvider(limit: number, windowMs: number): Provider {
  return withLog((all, atMs) => sum(all, atMs - windowMs + 1, atMs + 1) > limit)
}

/** Windows begin at `phaseMs` and every `windowMs` after. */
export function windowProvider(limit: number, windowMs: number, phaseMs: number): Provider {
  return withLog((all, atMs) => {
    const startMs = Math.floor((atMs - phaseMs) / windowMs) * windowMs + phaseMs
    return sum(all, startMs, startMs + windowMs) > limit
  })
}

export function firstHitProvider(limit: number, windowMs: number): Provider {
  let [endsAtMs, used] = [-1, 0]
  return ({ atMs, units }) => {
    if (atMs >= endsAtMs) [endsAtMs, used] = [atMs + windowMs, 0]
    if (used + units > limit) return false
    used += units
    return true
  }
}

export function counterProvider(limit: number, windowMs: number, phaseMs: number): Provider {
  return withLog((all, atMs) => {
    const startMs = Math.floor((atMs - phaseMs) / windowMs) * windowMs + phaseMs
    const current = sum(all, startMs, atMs + 1)
    const before = sum(all, startMs - windowMs, startMs)
    return before * (1 - (atMs - startMs) / windowMs) + current > limit + 1e-9
  })
}

export type SlewRule = {
  readonly threshold: number
  readonly windowMs: number
  readonly growthMs: number
  readonly factor: number
}

export function slewProvider({ threshold, windowMs, growthMs, factor }: SlewRule): Provider {
  return withLog((all, atMs) => {
    const inWindow = (endMs: number): number => sum(all, endMs - windowMs + 1, endMs + 1)
    const [firstMs, lastMs] = [atMs - growthMs - 3 * windowMs, atMs - growthMs]
    const ends = all.map((call) => call.atMs).filter((endMs) => endMs > firstMs && endMs <= lastMs)
    const busiest = Math.max(...[firstMs, ...ends].map(inWindow))
    return inWindow(atMs) > Math.max(threshold, busiest * factor + 1e-9)
  })
}

/** What the average window of the last `growthMs` was is what it compares with. */
export function averageSlewProvider({ threshold, windowMs, growthMs, factor }: SlewRule): Provider {
  return withLog((all, atMs) => {
    const average = (sum(all, atMs - growthMs + 1, atMs + 1 - windowMs) * windowMs) / (growthMs - windowMs)
    return sum(all, atMs - windowMs + 1, atMs + 1) > Math.max(threshold, average * factor + 1e-9)
  })
}

export function capProvider(limit: number, untilMs: number): Provider {
  return withLog((all, atMs) => atMs < untilMs && sum(all, 0, untilMs) > limit)
}
