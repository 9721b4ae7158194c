// The limiter's no in the words of the wire.

import type { Json, Refusal } from '../domain/failure.ts'
import type { Rejection } from './effect.ts'

export function refusalOfRejection(rejection: Rejection): Refusal {
  switch (rejection.reason) {
    case 'impossible': {
      const { resourceId: resource, limit, needed, size } = rejection
      const detail = `limit ${limit} of "${resource}" admits ${size} at most, ${needed} are needed`
      return { code: 'impossible', detail, members: { resource, limit, needed, size } }
    }
    case 'unknown-resource': {
      const { resourceId: resource } = rejection
      return { code: 'unknown-resource', detail: `there is no resource "${resource}"`, members: { resource } }
    }
    case 'queue-full': {
      const { resourceId: resource, size, retryAfterMs } = rejection
      const detail = `${size} wait for "${resource}" already`
      return { code: 'queue-full', detail, members: { resource, size, retryAfterMs } }
    }
    case 'insufficient': {
      const { resourceId: resource, limit, needed, available } = rejection.blocking
      const detail = `"${resource}": ${needed} are needed, ${available} are left now`
      const members: Record<string, Json> = { resource, limit, needed, available }
      return {
        code: 'insufficient-resources',
        detail,
        members: { ...members, retryAfterMs: rejection.retryAfterMs },
      }
    }
    case 'unknown-tier': {
      const { tier } = rejection
      return { code: 'unknown-tier', detail: `there is no tier "${tier}"`, members: { tier } }
    }
    default:
      return rejection satisfies never
  }
}
