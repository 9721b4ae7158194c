// Exact integer arithmetic for rates.
//
// A1  No result is rounded other than as its name says; products beyond 2^53 go through bigint and come back.

/** Quotient and remainder of `a * b + c` by `divisor`; all are non-negative, the quotient saturates at 2^53 - 1. */
export function multiplyDivide(
  a: number,
  b: number,
  c: number,
  divisor: number,
): { readonly quotient: number; readonly remainder: number } {
  const product = a * b + c
  if (Number.isSafeInteger(product)) {
    const remainder = product % divisor
    return { quotient: (product - remainder) / divisor, remainder }
  }
  const exact = BigInt(a) * BigInt(b) + BigInt(c)
  const quotient = exact / BigInt(divisor)
  return quotient > BigInt(Number.MAX_SAFE_INTEGER)
    ? { quotient: Number.MAX_SAFE_INTEGER, remainder: 0 }
    : { quotient: Number(quotient), remainder: Number(exact % BigInt(divisor)) }
}

/** `a * b / divisor`, rounded up. */
export function multiplyDivideUp(a: number, b: number, divisor: number): number {
  const { quotient, remainder } = multiplyDivide(a, b, 0, divisor)
  return remainder === 0 ? quotient : quotient + 1
}

/** Greatest common divisor of two positive integers. */
export function greatestCommonDivisor(a: number, b: number): number {
  let [x, y] = [a, b]
  while (y !== 0) [x, y] = [y, x % y]
  return x
}

/** Throws where `condition` does not hold: a mistake of the programmer, never of the caller's data. */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new Error(message)
}
