// The log behind the sliding kinds: what was charged, and when.
//
// CL1  It is exact up to LOG_ENTRIES_MAX entries; then charges in one slot become one, at the latest of their times:
//      they count longer than they need, never shorter.
// CL2  A charge is kept for `keptMs` at least. A refund takes from the entry that holds the charge, or nothing where
//      that is gone.
// CL3  Its plain form is pairs of time (as the difference to the one before) and units, in the order of time.

export const LOG_ENTRIES_MAX = 2_048

export type LogBounds = {
  readonly keptMs: number
  /** Finer than `keptMs / LOG_SLOTS_MAX` is not kept once the log is full. */
  readonly slotMs: number
}

const LOG_SLOTS_MAX = 1_500

export class ChargeLog {
  /** Charges within this many milliseconds may have become one, at the latest of their times. */
  readonly slotMs: number
  readonly #keptMs: number
  readonly #times: number[] = []
  readonly #amounts: number[] = []
  /** Units up to and with an entry; only differences mean something. */
  readonly #sums: number[] = []
  /** Entries before it are forgotten. */
  #first = 0

  constructor({ keptMs, slotMs }: LogBounds, kept: readonly number[]) {
    this.#keptMs = keptMs
    this.slotMs = Math.max(1, Math.floor(slotMs), Math.ceil(keptMs / LOG_SLOTS_MAX))
    let timeMs = 0
    for (let at = 0; at + 1 < kept.length; at += 2) {
      timeMs += kept[at] ?? 0
      this.#append(timeMs, kept[at + 1] ?? 0)
    }
  }

  /** One more than the last index; the first is `indexOf(-Infinity)`. */
  get end(): number {
    return this.#times.length
  }

  get newestMs(): number | null {
    return this.#times[this.end - 1] ?? null
  }

  timeAt(index: number): number {
    return this.#times[index] ?? 0
  }

  /** Units of the entries before the one at `index`, counted from anywhere: compare two of them. */
  sumBefore(index: number): number {
    return this.#sums[index - 1] ?? 0
  }

  /** Index of the first entry at or after `timeMs`. */
  indexOf(timeMs: number): number {
    let [low, high] = [this.#first, this.end]
    while (low < high) {
      const middle = (low + high) >> 1
      if ((this.#times[middle] ?? 0) < timeMs) low = middle + 1
      else high = middle
    }
    return low
  }

  /** Units charged after `afterMs`, up to and with `untilMs`. */
  between(afterMs: number, untilMs: number): number {
    if (untilMs <= afterMs) return 0
    return this.sumBefore(this.indexOf(untilMs + 1)) - this.sumBefore(this.indexOf(afterMs + 1))
  }

  /** Units charged after `afterMs`. */
  since(afterMs: number): number {
    return this.sumBefore(this.end) - this.sumBefore(this.indexOf(afterMs + 1))
  }

  charge(units: number, atMs: number): void {
    this.#forget(atMs)
    this.#append(atMs, units)
    if (this.end - this.#first > LOG_ENTRIES_MAX) this.#coarsen()
  }

  /** Units that were charged at a time in the past, by somebody else. */
  insert(units: number, atMs: number): void {
    const index = this.indexOf(atMs)
    if (index === this.end) return this.#append(atMs, units)
    if (this.timeAt(index) === atMs) this.#amounts[index] = (this.#amounts[index] ?? 0) + units
    else {
      this.#times.splice(index, 0, atMs)
      this.#amounts.splice(index, 0, units)
    }
    this.#resum(index)
    if (this.end - this.#first > LOG_ENTRIES_MAX) this.#coarsen()
  }

  /** Takes up to `units` from the entry that holds what was charged at `chargedAtMs` (CL2). */
  refund(units: number, chargedAtMs: number): void {
    const holder = this.indexOf(chargedAtMs)
    const given = Math.min(units, this.#amounts[holder] ?? 0)
    if (given === 0) return
    this.#amounts[holder] = (this.#amounts[holder] ?? 0) - given
    if (this.#amounts[holder] === 0 && holder === this.end - 1) {
      this.#times.pop()
      this.#amounts.pop()
      this.#sums.pop()
    } else this.#resum(holder)
  }

  kept(): readonly number[] {
    const flat: number[] = []
    let previousMs = 0
    for (let at = this.#first; at < this.end; at += 1) {
      const timeMs = this.timeAt(at)
      flat.push(timeMs - previousMs, this.#amounts[at] ?? 0)
      previousMs = timeMs
    }
    return flat
  }

  #append(timeMs: number, units: number): void {
    const last = this.end - 1
    if (last >= this.#first && this.#times[last] === timeMs) {
      this.#amounts[last] = (this.#amounts[last] ?? 0) + units
      this.#sums[last] = (this.#sums[last] ?? 0) + units
    } else {
      this.#times.push(timeMs)
      this.#amounts.push(units)
      this.#sums.push((this.#sums[last] ?? 0) + units)
    }
  }

  #forget(atMs: number): void {
    while (this.#first < this.end && this.timeAt(this.#first) + this.#keptMs <= atMs) this.#first += 1
    if (this.#first > FORGOTTEN_MAX || this.#first === this.end) this.#compact()
  }

  #compact(): void {
    this.#times.splice(0, this.#first)
    this.#amounts.splice(0, this.#first)
    this.#sums.length = this.#times.length
    this.#first = 0
    this.#resum(0)
  }

  /** CL1: one entry a slot. */
  #coarsen(): void {
    this.#compact()
    let last = -1
    for (const [index, timeMs] of this.#times.entries()) {
      const units = this.#amounts[index] ?? 0
      if (last >= 0 && this.#slotOf(this.timeAt(last)) === this.#slotOf(timeMs)) {
        this.#times[last] = timeMs
        this.#amounts[last] = (this.#amounts[last] ?? 0) + units
      } else {
        last += 1
        this.#times[last] = timeMs
        this.#amounts[last] = units
      }
    }
    this.#times.length = last + 1
    this.#amounts.length = last + 1
    this.#sums.length = last + 1
    this.#resum(0)
  }

  #slotOf(timeMs: number): number {
    return Math.floor(timeMs / this.slotMs)
  }

  #resum(from: number): void {
    let sum = this.sumBefore(from)
    for (let at = from; at < this.end; at += 1) {
      sum += this.#amounts[at] ?? 0
      this.#sums[at] = sum
    }
  }
}

/** Forgotten entries are dropped many at a time: it costs what is left. */
const FORGOTTEN_MAX = LOG_ENTRIES_MAX / 2
