// How long the ledger remembers.
//
// K1  A request with all that belongs to it goes as a whole, and never within the time for which its id is promised.
// K2  What a balance is a sum of goes only with its sum carried forward, so that the books can still be recomputed.
// K3  Lines of usage outlive the requests that they tell of; sums of usage outlive the lines.

const DAY_MS = 86_400_000

/** Ids are promised for so long. */
export const REQUESTS_KEPT_MS_MIN = 30 * DAY_MS

export type Retention = {
  /** Since they were admitted, once they have ended. */
  readonly requestsMs: number
  /** Whole months before this one. */
  readonly usageLinesMonths: number
  readonly usageSumsMonths: number
}

export const RETENTION_DEFAULT: Retention = {
  requestsMs: 90 * DAY_MS,
  usageLinesMonths: 13,
  usageSumsMonths: 37,
}
