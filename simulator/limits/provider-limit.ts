// What every limit of a provider can do. Times are whole microseconds since the epoch and never go back.

export type ProviderLimit = {
  /** Units that a call could take now; negative is debt. */
  remaining(atUs: number): number
  /** Takes `units` for the call `id`, whether they fit or not. */
  charge(id: number, units: number, atUs: number): void
  /** Sets what the call `id` was charged to `units`; late corrections of what no longer counts change nothing. */
  correct(id: number, units: number, atUs: number): void
  /** The call `id` is over. */
  end(id: number): void
  /** When `units` will fit if nothing else comes; null where that cannot be foreseen, or never. */
  fitsAtUs(units: number, atUs: number): number | null
  /** When everything is there again; what providers call the reset. */
  fullAtUs(atUs: number): number
  /** What becomes of the units just charged, where the provider accepts first and sends later. */
  fateOf?(id: number): Fate | null
}

/** When what was accepted leaves the provider's queue, and how. */
export type Fate = { readonly kind: 'sent' | 'expired'; readonly atUs: number }
