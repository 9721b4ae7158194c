import { describe, expect, test } from 'vitest'
import { NO_SCOPE, ancestorPaths, scopeGap, type Scope, type ScopeLevel } from '../../domain/scope.ts'

test('S1: the paths above a step, root first; `global` is no part of the others', () => {
  expect(ancestorPaths('acme', { session: 's', swarm: 'w', run: 'r', step: 't' })).toEqual([
    'global',
    'acme',
    'acme/s',
    'acme/s/w',
    'acme/s/w/r',
    'acme/s/w/r/t',
  ])
  expect(ancestorPaths('acme', NO_SCOPE)).toEqual(['global', 'acme'])
})

describe('S2: a deeper part needs all the parts above it', () => {
  const table: Record<string, { scope: Partial<Scope>; want: ScopeLevel | null }> = {
    'nothing is missing where nothing is given': { scope: {}, want: null },
    'nor where all is given down to a level': { scope: { session: 's', swarm: 'w' }, want: null },
    'a step alone': { scope: { step: 't' }, want: 'step' },
    'the first one below the gap is told': { scope: { session: 's', run: 'r', step: 't' }, want: 'run' },
  }
  test.for(Object.entries(table))('%s', ([, { scope, want }]) => {
    expect(scopeGap({ ...NO_SCOPE, ...scope })).toBe(want)
  })
})
