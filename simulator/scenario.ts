// A scenario: the simulated providers' limits as data. Groups are found by account and model family; all limits of
// a group hold together.

import { readFileSync } from 'node:fs'
import { parse } from 'yaml'
import { z } from 'zod'
import { paceSchema } from './distributions.ts'
import { failureSchema } from './failures.ts'
import { limitSchema } from './limit-rule.ts'
import { quirksSchema } from './styles/quirks.ts'

export { sizeOf, type LimitRule } from './limit-rule.ts'

const name = z.string().min(1).max(128)

const LIMITS_MAX = 16
const GROUPS_MAX = 1_000
const FAILURES_MAX = 32

/**
 * What a call to a language model costs in `tokens`: Azure's and our default `prompt-plus-max-tokens` (times the
 * choices asked for), OpenAI's documented `max-of-prompt-and-max-tokens` (never more than the first), Google's
 * `input-only`, or `declared` by the caller's header.
 */
const charge = z.enum(['prompt-plus-max-tokens', 'max-of-prompt-and-max-tokens', 'input-only', 'declared'])

const STYLES = [
  ...['openai', 'anthropic', 'azure', 'gemini', 'deepl', 'translate', 'elevenlabs'],
  ...['sendgrid', 'ses', 'twilio', 'stripe', 'paypal', 'x', 'graph', 'none', 'plain'],
] as const

const group = z.strictObject({
  account: name,
  /** `*`: every family of the account. */
  family: name.default('*'),
  /** Headers and bodies of whom. */
  style: z.enum(STYLES).default('plain'),
  charge: charge.default('prompt-plus-max-tokens'),
  /** Whether tokens that a call reads from the provider's cache count. */
  cacheReads: z.enum(['charged', 'free']).optional(),
  /** A rejected call takes what it can get of every limit but concurrency. */
  chargeRejected: z.boolean().default(false),
  /**
   * `at-completion`: actual use replaces what was charged, up or down, when the answer goes out. `realtime`: output is
   * charged while it is produced; a call is admitted where there is room for its first token.
   */
  refund: z.enum(['none', 'at-completion', 'realtime']).default('none'),
  /** How long a call takes where it does not say so itself. */
  latencyMs: z.int().min(0).default(0),
  /** How long calls of language models take and how much they say; left out: `latencyMs`, and by their content. */
  pace: paceSchema.optional(),
  /** One way over the network takes 0 to this long, before the decision. */
  networkMs: z.int().min(0).optional(),
  quirks: quirksSchema.optional(),
  failures: z.array(failureSchema).max(FAILURES_MAX).optional(),
  /** Of everything that is drawn by chance. */
  seed: z.int().optional(),
  limits: z.array(limitSchema).max(LIMITS_MAX),
})

export const scenarioSchema = z
  .strictObject({ name, groups: z.array(group).max(GROUPS_MAX) })
  .superRefine(({ groups }, context) => {
    const seen = new Set<string>()
    for (const [index, { account, family }] of groups.entries()) {
      const key = groupKey(account, family)
      if (seen.has(key)) {
        context.addIssue({ code: 'custom', path: ['groups', index], message: `a second group ${key}` })
      }
      seen.add(key)
    }
  })

export type Scenario = z.infer<typeof scenarioSchema>
export type Group = Scenario['groups'][number]
export type StyleName = Group['style']
export type ChargeRule = Group['charge']

export function groupKey(account: string, family: string): string {
  return `${account}/${family}`
}

/** Reads a scenario from a YAML or JSON file; throws a ZodError that names what is wrong in it. */
export function readScenario(path: string | URL): Scenario {
  return scenarioSchema.parse(parse(readFileSync(path, 'utf8')))
}
