// The scope tree: global > client > session > swarm > run > step.
//
// S1  A path is its parts joined by `/`, the client first; `global` alone is the root.
// S2  A deeper part needs all the parts above it.

export const GLOBAL_SCOPE = 'global'
export const SCOPE_LEVELS = ['session', 'swarm', 'run', 'step'] as const
export type ScopeLevel = (typeof SCOPE_LEVELS)[number]

export type Scope = Readonly<Record<ScopeLevel, string | null>>

export const NO_SCOPE: Scope = { session: null, swarm: null, run: null, step: null }

/** The first level that is given although the one above it is not (S2), or null. */
export function scopeGap(scope: Scope): ScopeLevel | null {
  let missing = false
  for (const level of SCOPE_LEVELS) {
    if (scope[level] === null) missing = true
    else if (missing) return level
  }
  return null
}

/** Root first: `global`, the client, and each deeper scope; the order in which budgets are locked. */
export function ancestorPaths(clientId: string, scope: Scope): readonly string[] {
  const paths = [GLOBAL_SCOPE, clientId]
  let path = clientId
  for (const level of SCOPE_LEVELS) {
    const part = scope[level]
    if (part === null) break
    path += `/${part}`
    paths.push(path)
  }
  return paths
}
