import fc from 'fast-check'
import { expect, test } from 'vitest'
import { EMPTY_BALANCE, remainingOf, type Balance } from '../../domain/budget.ts'
import { keptMore, keptOf } from '../../domain/carve-out.ts'

const life = (given: Partial<Balance>): Balance => ({ ...EMPTY_BALANCE, carved: 100, ...given })

const table: Record<string, { balance: Balance; want: number }> = {
  'V2: all of it while nothing is used': { balance: life({}), want: 100 },
  'V2: holds below are a part of it': { balance: life({ held: 30 }), want: 100 },
  'V3: what is used below is no longer kept, it is used above too': { balance: life({ used: 40 }), want: 60 },
  'V2: nothing when more was used than given': { balance: life({ used: 130 }), want: 0 },
  'V2: open holds even then': { balance: life({ used: 130, held: 7 }), want: 7 },
  'V4: nothing when the scope has ended': { balance: life({ carved: 0, used: 40 }), want: 0 },
  'V4: but its open holds': { balance: life({ carved: 0, used: 40, held: 25 }), want: 25 },
  'what is no carve-out keeps nothing': { balance: life({ carved: null, held: 25 }), want: 0 },
}
test.for(Object.entries(table))('%s', ([, { balance, want }]) => {
  expect(keptOf(balance)).toBe(want)
})

type Step =
  | { readonly kind: 'hold'; readonly child: number; readonly units: number }
  | { readonly kind: 'settle'; readonly nth: number; readonly used: number }
  | { readonly kind: 'give'; readonly child: number; readonly amount: number }
  | { readonly kind: 'end'; readonly child: number }

const CHILDREN = 3
const child = fc.nat(CHILDREN - 1)
const steps: fc.Arbitrary<readonly Step[]> = fc.array(
  fc.oneof(
    fc.record({ kind: fc.constant('give' as const), child, amount: fc.integer({ min: 0, max: 60 }) }),
    fc.record({ kind: fc.constant('hold' as const), child, units: fc.integer({ min: 1, max: 30 }) }),
    fc.record({ kind: fc.constant('settle' as const), nth: fc.nat(30), used: fc.nat(30) }),
    fc.record({ kind: fc.constant('end' as const), child }),
  ),
  { maxLength: 60 },
)

test('V1, V2, V3, V5: children never use together more than the parent has, and what is kept above is what is kept below', () => {
  fc.assert(
    fc.property(steps, fc.integer({ min: 0, max: 120 }), (all, amount) => {
      const parent = { held: 0, used: 0 }
      const children = Array.from({ length: CHILDREN }, () => life({ carved: 0 }))
      const open: { child: number; units: number }[] = []
      const change = (nth: number, after: Balance) => {
        const before = children[nth] ?? EMPTY_BALANCE
        parent.held += keptMore(before, after)
        children[nth] = after
      }
      for (const step of all) {
        if (step.kind === 'settle') {
          const [hold] = open.splice(step.nth % Math.max(1, open.length), 1)
          const before = children[hold?.child ?? 0]
          if (hold === undefined || before === undefined) continue
          const used = Math.min(step.used, hold.units)
          parent.used += used
          change(hold.child, { ...before, held: before.held - hold.units, used: before.used + used })
          continue
        }
        const before = children[step.child]
        if (before === undefined) continue
        if (step.kind === 'end') change(step.child, { ...before, carved: 0 })
        else if (step.kind === 'give') {
          const after = { ...before, carved: step.amount }
          if (keptMore(before, after) <= amount - parent.used - parent.held) change(step.child, after)
        } else if (step.units <= remainingOf({ amount: 0 }, before)) {
          open.push({ child: step.child, units: step.units })
          change(step.child, { ...before, held: before.held + step.units })
        }
        expect(parent.used + parent.held).toBeLessThanOrEqual(amount)
      }
      expect(parent.held).toBe(children.reduce((sum, one) => sum + keptOf(one), 0))
      for (const [nth, one] of children.entries()) change(nth, { ...one, carved: 0 })
      expect(parent.held).toBe(open.reduce((sum, { units }) => sum + units, 0))
    }),
  )
})
