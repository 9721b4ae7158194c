// What a simulation measures: one name, unit and meaning for each figure.

export const FIGURES = [
  'violations',
  'disputed',
  'use',
  'lp-use',
  'jain',
  'jain-in-tier',
  'lag',
  'starvation',
  'big-penalty',
  'tier-order',
  'eta-p50',
  'eta-p90',
  'unserved',
  'longest-wait',
] as const
export type FigureName = (typeof FIGURES)[number]

export const FIGURE_MEANING: Readonly<Record<FigureName, string>> = {
  violations: 'calls that the provider had no room for, by its own log and by the referee',
  disputed:
    'lines of the log in which the referee disagrees with the provider: rejected without need, missing, or miscounted',
  use: 'units granted while somebody waited, over the most that the limit lets through with that delay',
  'lp-use':
    'what was granted while somebody waited for every resource, over the best mix that a linear programme finds',
  jain: "Jain's index of served cost over weight, clients that waited for whole 10 minutes; the lowest of all windows",
  'jain-in-tier': 'the same among the clients of one tier; the lowest of all tiers',
  lag: 'fluid fair share minus what was served, in largest requests; the most of all clients and moments',
  starvation: 'longest wait over its bound: 10 minutes and what starved before it, at the guaranteed rate',
  'big-penalty':
    'p99 wait of the largest 1 % over p99 of all of the same tier (at least 1 s); the worst tier',
  'tier-order': 'p95 wait of a tier over that of the next lower one (at least 1 s); the most of all tiers',
  'eta-p50': 'median of the error of the first prediction over the real wait, waits of at least 1 s',
  'eta-p90': 'its 90th percentile',
  unserved: 'requests that were refused or gave up',
  'longest-wait': 'of all requests, in seconds',
}

/** Null where nothing happened that it could be measured by. */
export type Figures = Partial<Record<FigureName, number | null>>
