// A closed loop of callers, and what they measured.

export type Measured = {
  readonly count: number
  readonly failures: number
  readonly perSecond: number
  readonly p50Ms: number
  readonly p95Ms: number
  readonly p99Ms: number
}

export type Load = {
  readonly callers: number
  readonly count: number
  /** One operation; resolves to whether it did what it should. */
  readonly once: (index: number) => Promise<boolean>
}

/** Each caller begins its next operation when the one before has ended. */
export async function measure({ callers, count, once }: Load): Promise<Measured> {
  const latenciesMs: number[] = []
  let failures = 0
  let next = 0
  const startedMs = performance.now()
  const caller = async (): Promise<void> => {
    while (next < count) {
      const index = next
      next += 1
      const beganMs = performance.now()
      if (!(await once(index))) failures += 1
      latenciesMs.push(performance.now() - beganMs)
    }
  }
  await Promise.all(Array.from({ length: callers }, caller))
  const seconds = (performance.now() - startedMs) / 1_000
  latenciesMs.sort((a, b) => a - b)
  return {
    count,
    failures,
    perSecond: count / seconds,
    p50Ms: quantile(latenciesMs, 0.5),
    p95Ms: quantile(latenciesMs, 0.95),
    p99Ms: quantile(latenciesMs, 0.99),
  }
}

/** Of an ascending list; NaN where it is empty. */
export function quantile(ascending: readonly number[], q: number): number {
  return ascending[Math.min(ascending.length - 1, Math.floor(q * ascending.length))] ?? Number.NaN
}
