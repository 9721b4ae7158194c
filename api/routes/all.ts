// Every route, in the order of the wire contract.

import type { Route } from '../route.ts'
import { aboutRoutes } from './about.ts'
import { adminRoutes } from './admin.ts'
import { auditRoutes } from './audit.ts'
import { budgetRoutes } from './budgets.ts'
import { configRoutes } from './config.ts'
import { costRoutes } from './cost.ts'
import { estimateRoutes } from './estimate.ts'
import { eventRoutes } from './events.ts'
import { executeRoutes } from './execute.ts'
import { figureRoutes } from './figures.ts'
import { metricRoutes } from './metrics.ts'
import { outboxRoutes } from './outbox.ts'
import { priceRoutes } from './prices.ts'
import { queueRoutes } from './queue.ts'
import { reserveRoutes } from './reserve.ts'
import { settleRoutes } from './settle.ts'
import { usageRoutes } from './usage.ts'
import { wholeConfigRoutes } from './whole-config.ts'

export const ROUTES: readonly Route[] = [
  ...wholeConfigRoutes,
  ...configRoutes,
  ...priceRoutes,
  ...budgetRoutes,
  ...executeRoutes,
  ...eventRoutes,
  ...outboxRoutes,
  ...reserveRoutes,
  ...settleRoutes,
  ...aboutRoutes,
  ...metricRoutes,
  ...figureRoutes,
  ...queueRoutes,
  ...estimateRoutes,
  ...costRoutes,
  ...usageRoutes,
  ...adminRoutes,
  ...auditRoutes,
]
