// Money is an integer count of nano-USD (1e-9 USD); decimal strings exist only at the edges.
//
// M1  No float ever holds an amount of money.
// M2  A cost line is rounded once, up, to a whole nano-USD.
// M3  Every amount is a safe integer: |amount| <= 9,007,199.254740991 USD.

declare const nanoUsd: unique symbol
export type NanoUsd = number & { readonly [nanoUsd]: true }

export const ZERO_USD = 0 as NanoUsd

const NANO_DECIMALS = 9
export const PRICE_DECIMALS = 15
const PRICE_UNITS_PER_NANO = 1_000_000n

/** Asserts M3. Throws RangeError where `amount` is not a safe integer. */
export function nano(amount: number): NanoUsd {
  if (!Number.isSafeInteger(amount)) throw new RangeError(`${amount} is no safe integer of nano-USD`)
  return amount as NanoUsd
}

export function addUsd(a: NanoUsd, b: NanoUsd): NanoUsd {
  return nano(a + b)
}

export function subtractUsd(a: NanoUsd, b: NanoUsd): NanoUsd {
  return nano(a - b)
}

export function sumUsd(amounts: Iterable<NanoUsd>): NanoUsd {
  let sum = ZERO_USD
  for (const amount of amounts) sum = addUsd(sum, amount)
  return sum
}

/** Reads `"0.0315"`; null where the text is no decimal of at most 9 decimals, or out of range (M3). */
export function parseUsd(text: string): NanoUsd | null {
  const scaled = parseDecimal(text, NANO_DECIMALS)
  if (scaled === null) return null
  const amount = Number(scaled)
  return Number.isSafeInteger(amount) ? (amount as NanoUsd) : null
}

/** Writes the shortest exact decimal: 31_500_000 is `"0.0315"`, 0 is `"0"`. */
export function formatUsd(amount: NanoUsd): string {
  return formatDecimal(BigInt(amount), NANO_DECIMALS)
}

/** The shortest decimal of `units` of the last of `decimals` decimals. */
export function formatDecimal(units: bigint, decimals: number): string {
  const digits = (units < 0n ? -units : units).toString().padStart(decimals + 1, '0')
  const fraction = digits.slice(-decimals).replace(/0+$/, '')
  return `${units < 0n ? '-' : ''}${digits.slice(0, -decimals)}${fraction === '' ? '' : `.${fraction}`}`
}

/**
 * Cost of `units` at a unit price such as `"0.00003"` and a fixed fee (at most 15 decimals each), rounded up (M2).
 * Throws RangeError where one is no such decimal or the cost leaves the range of M3.
 */
export function costOf(units: number, perUnitUsd: string, feeUsd = '0'): NanoUsd {
  const exact = exactUnits(units, perUnitUsd, feeUsd)
  return nano(Number((exact + PRICE_UNITS_PER_NANO - 1n) / PRICE_UNITS_PER_NANO))
}

/** The same before it is rounded, as a decimal. */
export function exactCostOf(units: number, perUnitUsd: string, feeUsd = '0'): string {
  return formatDecimal(exactUnits(units, perUnitUsd, feeUsd), PRICE_DECIMALS)
}

function exactUnits(units: number, perUnitUsd: string, feeUsd: string): bigint {
  return BigInt(units) * priceUnits(perUnitUsd) + priceUnits(feeUsd)
}

function priceUnits(text: string): bigint {
  const price = parseDecimal(text, PRICE_DECIMALS)
  if (price === null || price < 0n) throw new RangeError(`"${text}" is no unit price`)
  return price
}

/** True for a decimal of at most 15 decimals that is not negative: a price that `costOf` takes. */
export function isUnitPrice(text: string): boolean {
  const price = parseDecimal(text, PRICE_DECIMALS)
  return price !== null && price >= 0n
}

/** Reads a decimal of at most `decimals` decimals as an integer of its last one. Throws RangeError where it is none. */
export function decimalUnits(text: string, decimals: number): bigint {
  const units = parseDecimal(text, decimals)
  if (units === null) throw new RangeError(`"${text}" is no decimal of at most ${decimals} decimals`)
  return units
}

function parseDecimal(text: string, decimals: number): bigint | null {
  const match = /^(-?)(\d{1,15})(?:\.(\d+))?$/.exec(text)
  if (match === null) return null
  const [, sign, whole = '', fraction = ''] = match
  if (fraction.length > decimals) return null
  const magnitude = BigInt(whole + fraction.padEnd(decimals, '0'))
  return sign === '-' ? -magnitude : magnitude
}
