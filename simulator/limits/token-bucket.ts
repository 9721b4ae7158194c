// A bucket of `capacity`, refilled continuously with `refillUnits` every `refillMs`.
// Exact: the level is counted in units times the refill period in microseconds.

import type { LimitOf } from '../limit-rule.ts'
import type { ProviderLimit } from './provider-limit.ts'

export function tokenBucket(rule: LimitOf<'token-bucket'>, startUs: number): ProviderLimit {
  const unit = BigInt(rule.refillMs) * 1_000n
  const perUs = BigInt(rule.refillUnits)
  const capacity = BigInt(rule.capacity) * unit
  const charged = new Map<number, number>()
  let level = capacity
  let asOfUs = startUs

  const refill = (atUs: number): void => {
    if (atUs <= asOfUs) return
    level = min(capacity, level + perUs * BigInt(atUs - asOfUs))
    asOfUs = atUs
  }
  const waitUs = (wanted: bigint): number =>
    wanted <= level ? 0 : Number((wanted - level + perUs - 1n) / perUs)

  return {
    remaining(atUs) {
      refill(atUs)
      return floorDiv(level, unit)
    },
    charge(id, units, atUs) {
      refill(atUs)
      level -= BigInt(units) * unit
      charged.set(id, units)
    },
    correct(id, units, atUs) {
      const before = charged.get(id)
      if (before === undefined) return
      refill(atUs)
      level = min(capacity, level + BigInt(before - units) * unit)
      charged.set(id, units)
    },
    end(id) {
      charged.delete(id)
    },
    fitsAtUs(units, atUs) {
      refill(atUs)
      const wanted = BigInt(units) * unit
      return wanted > capacity ? null : atUs + waitUs(wanted)
    },
    fullAtUs(atUs) {
      refill(atUs)
      return atUs + waitUs(capacity)
    },
  }
}

function min(a: bigint, b: bigint): bigint {
  return a < b ? a : b
}

function floorDiv(a: bigint, b: bigint): number {
  const quotient = Number(a / b)
  return a < 0n && a % b !== 0n ? quotient - 1 : quotient
}
