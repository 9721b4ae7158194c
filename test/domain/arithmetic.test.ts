import fc from 'fast-check'
import { expect, test } from 'vitest'
import { multiplyDivide, multiplyDivideUp } from '../../domain/arithmetic.ts'

const MAX = Number.MAX_SAFE_INTEGER
const natural = fc.maxSafeNat()
const small = fc.nat(2 ** 26)
const divisor = fc.integer({ min: 1, max: MAX })

test('A1: quotient and remainder give the exact product back, also beyond 2^53; what does not fit saturates', () => {
  fc.assert(
    fc.property(natural, natural, natural, divisor, (a, b, c, by) => {
      const { quotient, remainder } = multiplyDivide(a, b, c, by)
      const product = BigInt(a) * BigInt(b) + BigInt(c)
      if (product / BigInt(by) > BigInt(MAX)) {
        expect({ quotient, remainder }).toEqual({ quotient: MAX, remainder: 0 })
        return
      }
      expect(BigInt(quotient) * BigInt(by) + BigInt(remainder)).toBe(product)
      expect(remainder).toBeLessThan(by)
    }),
  )
})

test('A1: rounded up is the least whole number that is not less', () => {
  expect([multiplyDivideUp(7, 3, 7), multiplyDivideUp(7, 3, 20), multiplyDivideUp(0, 3, 20)]).toEqual([
    3, 2, 0,
  ])
  fc.assert(
    fc.property(small, small, fc.integer({ min: 1 }), (a, b, by) => {
      const up = BigInt(multiplyDivideUp(a, b, by)) * BigInt(by)
      const exact = BigInt(a) * BigInt(b)
      expect(up >= exact && up - exact < BigInt(by)).toBe(true)
    }),
  )
})
