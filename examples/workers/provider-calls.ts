// Calls to the providers: the units granted for one account and model family, spent in one call.
//
// V1  A call never costs more than was granted: prompt and output are cut to it.
// V2  A provider's refusal is told with its Retry-After and rate-limit headers, whatever status it chose for it.

import { z } from 'zod'

type Units = Readonly<Record<string, number>>

export type ProviderCall = {
  readonly baseUrl: string
  readonly account: string
  readonly family: string
  /** Units granted, by the provider's dimension. */
  readonly granted: Units
  readonly input: unknown
  readonly signal: AbortSignal
}

export type ProviderAnswer =
  | { readonly kind: 'done'; readonly consumed: Units; readonly output: unknown }
  | { readonly kind: 'throttled'; readonly headers: Record<string, string>; readonly error: string }
  /** It may work later: the provider is down, or broke off. */
  | { readonly kind: 'unavailable'; readonly error: string }
  | { readonly kind: 'refused'; readonly error: string }

type Exchange = {
  readonly path: string
  readonly body: unknown
  readonly headers?: Record<string, string>
  /** Reads what was used out of the answer. */
  readonly consumed: (body: unknown) => Units
}

/** What an input may say about how the simulated call goes. */
export const hints = z.looseObject({
  promptTokens: z.int().min(1).optional(),
  completionTokens: z.int().min(0).optional(),
  durationMs: z.int().min(0).optional(),
})

export async function callProvider(call: ProviderCall): Promise<ProviderAnswer> {
  const { path, body, headers = {}, consumed } = exchangeOf(call)
  const { durationMs } = hintsOf(call.input)
  let response: Response
  let text: string
  try {
    response = await fetch(call.baseUrl + path, {
      method: 'POST',
      signal: call.signal,
      headers: {
        'content-type': 'application/json',
        ...headers,
        ...(durationMs === undefined ? {} : { 'x-simulator-duration-ms': String(durationMs) }),
      },
      body: JSON.stringify(body),
    })
    text = await response.text()
  } catch (error) {
    return { kind: 'unavailable', error: `${call.account} cannot be reached: ${reasonOf(error)}` }
  }
  const told = `${call.account} answered ${response.status}: ${text.slice(0, 500)}`
  const isThrottled =
    response.status === 429 || response.headers.get('x-amzn-errortype') === 'ThrottlingException'
  if (isThrottled) return { kind: 'throttled', headers: limitHeaders(response.headers), error: told }
  if (response.status >= 500) return { kind: 'unavailable', error: told }
  if (!response.ok) return { kind: 'refused', error: told }
  const output: unknown = text === '' ? null : JSON.parse(text)
  return { kind: 'done', consumed: consumed(output), output }
}

const MESSAGE = 'The tide is turning.'

function exchangeOf(call: ProviderCall): Exchange {
  const { account, family, granted, input } = call
  switch (account) {
    case 'openai':
      if (granted['seconds'] !== undefined) {
        return fixed('/v1/audio/transcriptions', { model: family, seconds: granted['seconds'] }, { granted })
      }
      return language(call, {
        path: '/v1/chat/completions',
        used: z
          .object({ usage: z.object({ prompt_tokens: z.int(), completion_tokens: z.int() }) })
          .transform(({ usage }) => ({ prompt: usage.prompt_tokens, completion: usage.completion_tokens })),
      })
    case 'anthropic':
      return language(call, {
        path: '/v1/messages',
        used: z
          .object({ usage: z.object({ input_tokens: z.int(), output_tokens: z.int() }) })
          .transform(({ usage }) => ({ prompt: usage.input_tokens, completion: usage.output_tokens })),
      })
    case 'sendgrid': {
      const to = recipients(granted).map((email) => ({ email }))
      const mail = { personalizations: [{ to }], from: { email: 'news@example.com' }, subject: MESSAGE }
      return fixed('/v3/mail/send', mail, { granted })
    }
    case 'ses': {
      const mail = { Destination: { ToAddresses: recipients(granted) }, Content: { Simple: MESSAGE } }
      return fixed('/v2/email/outbound-emails', mail, { granted })
    }
    case 'twilio': {
      const segments = granted['segments'] ?? 1
      const Body = segments === 1 ? MESSAGE : 'a'.repeat(segments * TWILIO_SEGMENT)
      return fixed(`/2010-04-01/Accounts/${TWILIO_SID}/Messages.json`, { To: '+15550100', Body }, { granted })
    }
    default:
      return fixed(
        '/work',
        { account, family, units: granted, actual: granted, ...durationOf(input) },
        { granted },
      )
  }
}

const TWILIO_SID = `AC${'0'.repeat(32)}`
const TWILIO_SEGMENT = 153

/** A call that uses what was granted. */
function fixed(path: string, body: unknown, { granted }: { granted: Units }): Exchange {
  return { path, body, consumed: () => granted }
}

type TokensUsed = { prompt: number; completion: number }

function language(
  { family, granted, input }: ProviderCall,
  { path, used }: { path: string; used: z.ZodType<TokensUsed> },
): Exchange {
  const { promptTokens, completionTokens } = hintsOf(input)
  const total = granted['tokens'] ?? Infinity
  const promptMax = Math.max(1, Math.min(granted['input-tokens'] ?? Infinity, total - 1))
  const prompt = Math.min(promptMax, promptTokens ?? tokensIn(input))
  const max = Math.max(1, Math.min(granted['output-tokens'] ?? Infinity, total - prompt))
  return {
    path,
    body: {
      model: family,
      ...(Number.isFinite(max) ? { max_tokens: max } : { max_tokens: OUTPUT_STANDARD }),
      messages: [{ role: 'user', content: JSON.stringify(input ?? '').slice(0, PROMPT_SENT_MAX) }],
    },
    headers: {
      'x-simulator-prompt-tokens': String(prompt),
      ...(completionTokens === undefined
        ? {}
        : { 'x-simulator-completion-tokens': String(completionTokens) }),
    },
    consumed(body) {
      const { prompt, completion } = used.parse(body)
      return { requests: 1, tokens: prompt + completion, 'input-tokens': prompt, 'output-tokens': completion }
    },
  }
}

const OUTPUT_STANDARD = 256
const PROMPT_SENT_MAX = 4_000
const CHARACTERS_PER_TOKEN = 4

function tokensIn(input: unknown): number {
  return Math.max(1, Math.ceil(JSON.stringify(input ?? '').length / CHARACTERS_PER_TOKEN))
}

function recipients(granted: Units): string[] {
  return Array.from({ length: granted['emails'] ?? 1 }, (_, n) => `reader-${n + 1}@example.com`)
}

function hintsOf(input: unknown): z.infer<typeof hints> {
  const parsed = hints.safeParse(input)
  return parsed.success ? parsed.data : {}
}

function durationOf(input: unknown): { durationMs?: number } {
  const { durationMs } = hintsOf(input)
  return durationMs === undefined ? {} : { durationMs }
}

/** V2: what a provider says of its limits; where it tells the reset as an epoch only, Retry-After is made of it. */
function limitHeaders(headers: Headers): Record<string, string> {
  const told = [...headers].filter(([name]) => /^(retry-after|x-ratelimit-|anthropic-ratelimit-)/.test(name))
  const resetSeconds = Number(headers.get('x-ratelimit-reset') ?? Number.NaN)
  const afterSeconds = Math.ceil(resetSeconds - Date.now() / 1_000)
  const isDerived = !headers.has('retry-after') && afterSeconds > 0
  return { ...Object.fromEntries(told), ...(isDerived ? { 'retry-after': String(afterSeconds) } : {}) }
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return error.cause instanceof Error ? error.cause.message : error.message
}
