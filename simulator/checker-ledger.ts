// What the referee can do with every kind of limit. Times are milliseconds with a fraction.

export type Ledger = {
  /** Whether its sums are whole units; others have an error of rounding. */
  readonly isExact: boolean
  /** What the limit carries just before an arrival at `atMs`. */
  load(atMs: number): number
  /** What the limit may carry then. */
  sizeAt(atMs: number): number
  charge(id: number, units: number, atMs: number): void
  /** The call `id` is over; `actual` replaces what it was charged where it is given. */
  end(id: number, actual: number | undefined, atMs: number): void
  /** The most that could be let through from one arrival to another, both included. */
  most(firstMs: number, lastMs: number): number
  /** What was used of it, where that is not the sum of the charges. */
  used?: (firstMs: number, lastMs: number) => number
  /** What has to become of the call `id`, where it is accepted first and sent later. */
  fateOf?: (id: number) => { readonly kind: 'sent' | 'expired'; readonly atMs: number } | null
}

/** Whole microseconds: the fraction of a millisecond does not survive a subtraction of epoch times. */
export function toUs(atMs: number): number {
  return Math.round(atMs * 1_000)
}
