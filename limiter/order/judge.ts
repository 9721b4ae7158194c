// Whether a head may start now: every limit of every resource, and nobody better is made to wait longer by it.
//
// J1  All or nothing: it starts only if each limit of each of its resources admits it.
// J2  The best blocked head of a resource has it reserved: another may take only what leaves the start that is
//     foreseen for that head where it is (backfill at zero delay).
// J3  What holds it back is the limit that lets it pass last; ties go to the first resource, then the first limit.

import type { Account } from '../account.ts'
import type { Blocking } from '../effect.ts'
import { needOf, type Meter, type Use } from '../limits/meter.ts'

/** What a blocked head will take of a resource, and when. */
export type Reserved = { readonly units: number; readonly startAtMs: number }

export type Want = { readonly account: Account; readonly units: number }

export type Verdict =
  | { readonly kind: 'fits' }
  | { readonly kind: 'blocked'; readonly blocking: Blocking; readonly startAtMs: number | null }

export function judge(
  wants: readonly Want[],
  use: Use,
  reservedOf: (account: Account) => Reserved | undefined,
): Verdict {
  let verdict: Verdict = { kind: 'fits' }
  function hold(blocking: Blocking): void {
    if (verdict.kind === 'fits' || isLater(blocking.untilMs, verdict.startAtMs)) {
      verdict = { kind: 'blocked', blocking, startAtMs: blocking.untilMs }
    }
  }
  for (const { account, units } of wants) {
    const resourceId = account.resource.id
    if (account.closedUntilMs > use.atMs) {
      hold({ resourceId, limit: 'closed', needed: units, available: 0, untilMs: account.closedUntilMs })
    }
    const reserved = reservedOf(account)
    account.meters.forEach((meter, limit) => {
      const needed = needOf(meter, units)
      const available = meter.available(use.atMs)
      if (needed > available) {
        hold({ resourceId, limit, needed, available, untilMs: meter.earliest(needed, use.atMs) })
      }
      if (reserved !== undefined && needed > spareOf(meter, reserved, use)) {
        hold({ resourceId, limit, needed, available, untilMs: reserved.startAtMs })
      }
    })
  }
  return verdict
}

/** True where nobody could take anything of it now. */
export function isExhausted(account: Account, use: Use, reserved: Reserved | undefined): boolean {
  if (account.closedUntilMs > use.atMs) return true
  return account.meters.some(
    (meter) => meter.available(use.atMs) < 1 || (reserved !== undefined && spareOf(meter, reserved, use) < 1),
  )
}

function spareOf(meter: Meter, { units, startAtMs }: Reserved, use: Use): number {
  return meter.spare(needOf(meter, units), startAtMs, use)
}

/** Later; a time that nobody can tell is the latest. */
function isLater(a: number | null, b: number | null): boolean {
  return b !== null && (a === null || a > b)
}
