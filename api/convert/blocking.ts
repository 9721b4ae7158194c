// Why something waits, as it is told.

import type { Blocking } from '../../limiter/effect.ts'
import { toIsoOrNull } from './time.ts'

export function blockingTo({ resourceId, limit, needed, available, untilMs }: Blocking) {
  return { resource: resourceId, limit, needed, available, until: toIsoOrNull(untilMs) }
}
