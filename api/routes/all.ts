// Every route, in the order of the wire contract.

import type { Route } from '../route.ts'

export const ROUTES: readonly Route[] = []
