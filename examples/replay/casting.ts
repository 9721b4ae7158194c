// Who sent what. The trace does not say, so tiers and clients are drawn from a seed, by these shares.

export const CAST = [
  { tier: 'enterprise', clients: 1, share: 10 },
  { tier: 'premium', clients: 2, share: 20 },
  { tier: 'standard', clients: 3, share: 30 },
  { tier: 'basic', clients: 4, share: 40 },
] as const

export type Tier = (typeof CAST)[number]['tier']
export type Client = { readonly id: string; readonly tier: Tier }

export const CLIENTS: readonly Client[] = CAST.flatMap(({ tier, clients }) =>
  Array.from({ length: clients }, (_, n) => ({ id: `replay-${tier}-${n + 1}`, tier })),
)

const SHARES = CAST.reduce((sum, { share }) => sum + share, 0)

/** The client of each of `count` rows; the same seed gives the same clients. */
export function castClients(count: number, seed: number): readonly Client[] {
  const draw = randomFrom(seed)
  return Array.from({ length: count }, () => {
    let point = draw() * SHARES
    const role = CAST.find(({ share }) => (point -= share) < 0) ?? CAST[0]
    const of = CLIENTS.filter(({ tier }) => tier === role.tier)
    return of[Math.floor(draw() * of.length)] ?? { id: `replay-${role.tier}-1`, tier: role.tier }
  })
}

/** Mulberry32: 0 <= x < 1, the same sequence for the same seed. */
function randomFrom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}
