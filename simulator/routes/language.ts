// Language models: OpenAI's chat completions and Anthropic's messages, whole or as a stream.

import { Router, type Request, type Response } from 'express'
import { z } from 'zod'
import { isStreamAsked, type StreamEvent } from '../answering.ts'
import { conductOf } from '../conduct.ts'
import type { Gate } from '../gate.ts'
import type { Group } from '../scenario.ts'
import {
  accountOf,
  CACHED_TOKENS,
  COMPLETION_TOKENS,
  countHeader,
  DECLARED_TOKENS,
  findGroup,
  PROMPT_TOKENS,
  serveCall,
} from '../serve.ts'
import { chargedTokens, completionOf, promptEstimate, type Tokens } from '../tokens.ts'
import { parseBody } from './parse-body.ts'

const MAX_TOKENS_STANDARD = 256
const CHOICES_MAX = 128

const chat = z.looseObject({
  model: z.string(),
  messages: z.array(z.unknown()).min(1),
  max_tokens: z.int().min(1).optional(),
  max_completion_tokens: z.int().min(1).optional(),
  n: z.int().min(1).max(CHOICES_MAX).default(1),
  stream: z.boolean().default(false),
  stream_options: z.looseObject({ include_usage: z.boolean().default(false) }).optional(),
})

const messages = z.looseObject({
  model: z.string(),
  messages: z.array(z.unknown()).min(1),
  max_tokens: z.int().min(1),
  stream: z.boolean().default(false),
})

export function languageRoutes(gate: Gate): Router {
  const router = Router()

  router.post('/v1/chat/completions', (request, response) => {
    const body = parseBody(chat, request, response)
    if (body === undefined) return
    const group = findGroup(gate, response, { account: accountOf(request, 'openai'), family: body.model })
    if (group === undefined) return
    const max = body.max_completion_tokens ?? body.max_tokens ?? MAX_TOKENS_STANDARD
    const tokens = tokensOf({ request, group }, { content: body.messages, max, choices: body.n })
    const common = { id: `chatcmpl-${gate.nextId()}`, model: body.model }
    const finish = tokens.completion === tokens.max ? 'length' : 'stop'
    const usage = {
      prompt_tokens: tokens.prompt,
      completion_tokens: tokens.completion,
      total_tokens: tokens.prompt + tokens.completion,
      ...(tokens.cached > 0 ? { prompt_tokens_details: { cached_tokens: tokens.cached } } : {}),
    }
    const chunk = (delta: object, finish_reason: string | null) => ({
      ...common,
      object: 'chat.completion.chunk',
      choices: [{ index: 0, delta, finish_reason }],
    })
    serveTokens({ gate, group, request, response }, tokens, {
      family: body.model,
      body: {
        ...common,
        object: 'chat.completion',
        choices: Array.from({ length: body.n }, (_, index) => ({
          index,
          message: { role: 'assistant', content: textOf(tokens.completion) },
          finish_reason: finish,
        })),
        usage,
      },
      events: [
        ...spread(textOf(tokens.completion), (content) => ({ body: chunk({ content }, null) })),
        { body: chunk({}, finish), at: 1 },
        ...(body.stream_options?.include_usage === true
          ? [{ body: { ...chunk({}, null), choices: [], usage }, at: 1 }]
          : []),
        { body: '[DONE]', at: 1 },
      ],
    })
  })

  router.post('/v1/messages', (request, response) => {
    const body = parseBody(messages, request, response)
    if (body === undefined) return
    const group = findGroup(gate, response, { account: accountOf(request, 'anthropic'), family: body.model })
    if (group === undefined) return
    const tokens = tokensOf({ request, group }, { content: body.messages, max: body.max_tokens, choices: 1 })
    const stop_reason = tokens.completion === tokens.max ? 'max_tokens' : 'end_turn'
    const input = {
      input_tokens: tokens.prompt - tokens.cached,
      ...(tokens.cached > 0 ? { cache_read_input_tokens: tokens.cached } : {}),
    }
    const message = { id: `msg_${gate.nextId()}`, type: 'message', role: 'assistant', model: body.model }
    serveTokens({ gate, group, request, response }, tokens, {
      family: body.model,
      body: {
        ...message,
        content: [{ type: 'text', text: textOf(tokens.completion) }],
        stop_reason,
        usage: { ...input, output_tokens: tokens.completion },
      },
      events: [
        named(
          'message_start',
          { message: { ...message, content: [], usage: { ...input, output_tokens: 1 } } },
          0,
        ),
        named('content_block_start', { index: 0, content_block: { type: 'text', text: '' } }, 0),
        ...spread(textOf(tokens.completion), (text) =>
          named('content_block_delta', { index: 0, delta: { type: 'text_delta', text } }, 0),
        ),
        named('content_block_stop', { index: 0 }, 1),
        named('message_delta', { delta: { stop_reason }, usage: { output_tokens: tokens.completion } }, 1),
        named('message_stop', {}, 1),
      ],
    })
  })

  return router
}

type At = { gate: Gate; group: Group; request: Request; response: Response }
type Told = { readonly family: string; readonly body: unknown; readonly events: readonly StreamEvent[] }

function serveTokens(at: At, tokens: Tokens, { family, body, events }: Told): void {
  const { charge, cacheReads, refund } = at.group
  // Where output is charged as it is produced, a call begins with its first token.
  const max = refund === 'realtime' ? 1 : tokens.max
  const prompt = cacheReads === 'free' ? tokens.prompt - tokens.cached : tokens.prompt
  const counted = { ...tokens, prompt, max }
  serveCall(at, {
    account: at.group.account,
    family,
    endpoint: at.request.path,
    cost: {
      requests: 1,
      tokens: chargedTokens(charge, counted, countHeader(at.request, DECLARED_TOKENS)),
      'input-tokens': prompt,
      'output-tokens': max * tokens.choices,
    },
    actual: {
      tokens: charge === 'input-only' ? prompt : prompt + tokens.completion,
      'input-tokens': prompt,
      'output-tokens': tokens.completion,
    },
    answer: { status: 200, body, ...(isStreamAsked(at.request) ? { events } : {}) },
  })
}

type Asked = { readonly content: unknown; readonly max: number; readonly choices: number }

function tokensOf(
  { request, group }: { request: Request; group: Group },
  { content, max, choices }: Asked,
): Tokens {
  const told = countHeader(request, COMPLETION_TOKENS)
  const most = max * choices
  const prompt = countHeader(request, PROMPT_TOKENS) ?? promptEstimate(content)
  return {
    prompt,
    cached: Math.min(prompt, countHeader(request, CACHED_TOKENS) ?? 0),
    max,
    choices,
    completion:
      told === undefined
        ? (conductOf(group).completion(most) ?? completionOf(content, most))
        : Math.min(told, most),
  }
}

const WORDS_MAX = 16

/** A text that stands for the output; its length is not the point. */
function textOf(tokens: number): string {
  return 'tide '.repeat(Math.min(tokens, WORDS_MAX)).trimEnd()
}

/** One event a word, evenly over the time. */
function spread(text: string, eventOf: (word: string) => Omit<StreamEvent, 'at'>): StreamEvent[] {
  const words = text.split(/(?<= )/)
  return words.map((word, index) => ({ ...eventOf(word), at: index / words.length }))
}

function named(name: string, body: object, at: number): StreamEvent {
  return { name, body: { type: name, ...body }, at }
}
