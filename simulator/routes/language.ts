// Language models: OpenAI's chat completions and Anthropic's messages.

import { Router, type Request, type Response } from 'express'
import { z } from 'zod'
import type { Gate } from '../gate.ts'
import type { Group } from '../scenario.ts'
import {
  accountOf,
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

const chat = z.looseObject({
  model: z.string(),
  messages: z.array(z.unknown()).min(1),
  max_tokens: z.int().min(1).optional(),
  max_completion_tokens: z.int().min(1).optional(),
})

const messages = z.looseObject({
  model: z.string(),
  messages: z.array(z.unknown()).min(1),
  max_tokens: z.int().min(1),
})

export function languageRoutes(gate: Gate): Router {
  const router = Router()

  router.post('/v1/chat/completions', (request, response) => {
    const body = parseBody(chat, request, response)
    if (body === undefined) return
    const group = findGroup(gate, response, { account: accountOf(request, 'openai'), family: body.model })
    if (group === undefined) return
    const max = body.max_completion_tokens ?? body.max_tokens ?? MAX_TOKENS_STANDARD
    const tokens = tokensOf(request, { content: body.messages, max })
    serveTokens({ gate, group, request, response }, tokens, {
      family: body.model,
      answer: {
        id: `chatcmpl-${gate.lastSeq}`,
        object: 'chat.completion',
        model: body.model,
        choices: [
          {
            index: 0,
            message: { role: 'assistant', content: textOf(tokens.completion) },
            finish_reason: tokens.completion === tokens.max ? 'length' : 'stop',
          },
        ],
        usage: {
          prompt_tokens: tokens.prompt,
          completion_tokens: tokens.completion,
          total_tokens: tokens.prompt + tokens.completion,
        },
      },
    })
  })

  router.post('/v1/messages', (request, response) => {
    const body = parseBody(messages, request, response)
    if (body === undefined) return
    const group = findGroup(gate, response, { account: accountOf(request, 'anthropic'), family: body.model })
    if (group === undefined) return
    const tokens = tokensOf(request, { content: body.messages, max: body.max_tokens })
    serveTokens({ gate, group, request, response }, tokens, {
      family: body.model,
      answer: {
        id: `msg_${gate.lastSeq}`,
        type: 'message',
        role: 'assistant',
        model: body.model,
        content: [{ type: 'text', text: textOf(tokens.completion) }],
        stop_reason: tokens.completion === tokens.max ? 'max_tokens' : 'end_turn',
        usage: { input_tokens: tokens.prompt, output_tokens: tokens.completion },
      },
    })
  })

  return router
}

type At = { gate: Gate; group: Group; request: Request; response: Response }

function serveTokens(at: At, tokens: Tokens, { family, answer }: { family: string; answer: unknown }): void {
  serveCall(at, {
    account: at.group.account,
    family,
    endpoint: at.request.path,
    cost: {
      requests: 1,
      tokens: chargedTokens(at.group.charge, tokens, countHeader(at.request, DECLARED_TOKENS)),
      'input-tokens': tokens.prompt,
      'output-tokens': tokens.max,
    },
    actual: {
      tokens: tokens.prompt + tokens.completion,
      'input-tokens': tokens.prompt,
      'output-tokens': tokens.completion,
    },
    answer: { status: 200, body: answer },
  })
}

function tokensOf(request: Request, { content, max }: { content: unknown; max: number }): Tokens {
  const told = countHeader(request, COMPLETION_TOKENS)
  return {
    prompt: countHeader(request, PROMPT_TOKENS) ?? promptEstimate(content),
    max,
    completion: told === undefined ? completionOf(content, max) : Math.min(told, max),
  }
}

const WORDS_MAX = 16

/** A text that stands for the output; its length is not the point. */
function textOf(tokens: number): string {
  return 'tide '.repeat(Math.min(tokens, WORDS_MAX)).trimEnd()
}
