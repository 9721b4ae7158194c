// Credits: prepaid amounts beside a budget's own, burnt down when its own is gone.
//
// D1  The budget's own amount goes first: it is lost when its period ends. Then credits, by the lowest priority number,
//     then the earliest expiry (never is last), then the id.
// D2  A hold is taken on what lives. Its use is drawn from what it holds, expired or not: a credit is lost at its
//     expiry only as far as nothing is held on it.
// D3  Use beyond the hold goes on in the same order with what is free; what nothing covers is the budget's own debt.
// D4  What is given back returns where it came from, the last credit first; to an expired credit it returns in vain.
// D5  One run equals two part runs: drawing a and then b leaves what drawing a + b leaves.

/** A credit of a budget, in the budget's unit. */
export type Credit = {
  readonly id: string
  readonly priority: number
  /** Null: it never expires. */
  readonly untilMs: number | null
  readonly amount: number
}

/** Sorts credits into the order in which they are burnt (D1). */
export function burnOrder(a: Credit, b: Credit): number {
  if (a.priority !== b.priority) return a.priority - b.priority
  const [untilA, untilB] = [a.untilMs ?? Number.POSITIVE_INFINITY, b.untilMs ?? Number.POSITIVE_INFINITY]
  if (untilA !== untilB) return untilA < untilB ? -1 : 1
  return a.id < b.id ? -1 : a.id === b.id ? 0 : 1
}

export function isAlive({ untilMs }: Pick<Credit, 'untilMs'>, atMs: number): boolean {
  return untilMs === null || atMs < untilMs
}

/** What a request can draw from: a budget's own amount, or one of its credits. */
export type Source = {
  /** Names its balance. */
  readonly key: string
  /** By this request, still open. */
  readonly held: number
  /** Used by this request so far. */
  readonly drawn: number
  /** What nobody holds and nobody used; nothing of a credit that has expired. Negative is debt. */
  readonly free: number
}

export type Draw = { readonly key: string; readonly units: number }

export type Held = { readonly own: number; readonly draws: readonly Draw[]; readonly missing: number }

/** What a hold of `units` takes: of the own amount, of each credit, and what is missing. `credits` in burn order. */
export function drawHold(ownFree: number, credits: readonly Source[], units: number): Held {
  const own = Math.min(units, Math.max(0, ownFree))
  let missing = units - own
  const draws = credits.map(({ key, free }) => {
    const drawn = Math.min(missing, Math.max(0, free))
    missing -= drawn
    return { key, units: drawn }
  })
  return { own, draws, missing }
}

/** Where `units` of use are drawn from, or given back to where negative. Only draws that are not 0; `credits` in burn order. */
export function drawUse(own: Source, credits: readonly Source[], units: number): readonly Draw[] {
  return units < 0 ? giveBack(own, credits, -units) : drawMore(own, credits, units)
}

function drawMore(own: Source, credits: readonly Source[], units: number): readonly Draw[] {
  const drawn = new Map<string, number>()
  let left = units
  const take = (key: string, most: number) => {
    const part = Math.min(left, Math.max(0, most))
    drawn.set(key, (drawn.get(key) ?? 0) + part)
    left -= part
  }
  for (const { key, held } of [own, ...credits]) take(key, held)
  for (const { key, free } of [own, ...credits]) take(key, free)
  take(own.key, left)
  return drawsOf(drawn)
}

function giveBack(own: Source, credits: readonly Source[], units: number): readonly Draw[] {
  const returned = new Map<string, number>()
  let left = units
  for (const { key, drawn } of credits.toReversed()) {
    const part = Math.min(left, drawn)
    returned.set(key, -part)
    left -= part
  }
  returned.set(own.key, -left)
  return drawsOf(returned)
}

function drawsOf(units: ReadonlyMap<string, number>): readonly Draw[] {
  return [...units].filter(([, part]) => part !== 0).map(([key, part]) => ({ key, units: part }))
}

/** A source after a draw: what is drawn comes out of its hold first. */
export function afterDraw(source: Source, units: number): Source {
  const fromHold = Math.min(source.held, Math.max(0, units))
  return {
    ...source,
    held: source.held - fromHold,
    free: source.free - (units - fromHold),
    drawn: source.drawn + units,
  }
}
