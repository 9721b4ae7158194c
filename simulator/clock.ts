// The provider's clock: whole microseconds since the epoch, never backwards.

export type Clock = () => number

/** Set by the wall clock once, at start; from then on it only counts. */
export function monotonicClock(): Clock {
  const originUs = Math.round(performance.timeOrigin * 1_000)
  return () => originUs + Math.round(performance.now() * 1_000)
}
