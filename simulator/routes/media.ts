// Translation, images, speech and hearing: what is counted is characters, images and seconds.

import { Router, type Request, type Response } from 'express'
import { z } from 'zod'
import type { Cost, Gate } from '../gate.ts'
import { accountOf, findGroup, serveCall } from '../serve.ts'
import { parseBody } from './parse-body.ts'

const translation = z.looseObject({ text: z.array(z.string()).min(1).max(50), target_lang: z.string() })
const images = z.looseObject({
  model: z.string(),
  prompt: z.string().min(1),
  n: z.int().min(1).max(10).default(1),
})
const speech = z.looseObject({ model: z.string(), input: z.string().min(1) })
/** The audio's length stands for the audio. */
const audio = z.looseObject({ model: z.string(), seconds: z.int().min(1) })
const voice = z.looseObject({ text: z.string().min(1) })

export function mediaRoutes(gate: Gate): Router {
  const router = Router()

  router.post('/v2/translate', (request, response) => {
    const body = parseBody(translation, request, response)
    if (body === undefined) return
    const characters = body.text.reduce((sum, text) => sum + text.length, 0)
    const translations = body.text.map((text) => ({ detected_source_language: 'EN', text }))
    serve(request, response, {
      account: 'deepl',
      family: 'translate',
      cost: { characters },
      body: { translations },
    })
  })

  router.post('/v1/images/generations', (request, response) => {
    const body = parseBody(images, request, response)
    if (body === undefined) return
    const data = Array.from({ length: body.n }, (_, index) => ({
      url: `sim:image-${gate.nextId()}-${index}`,
    }))
    serve(request, response, {
      account: 'openai',
      family: body.model,
      cost: { images: body.n },
      body: { data },
    })
  })

  router.post('/v1/audio/speech', (request, response) => {
    const body = parseBody(speech, request, response)
    if (body === undefined) return
    const characters = body.input.length
    serve(request, response, {
      account: 'openai',
      family: body.model,
      cost: { characters },
      body: { audio: 'sim:speech' },
    })
  })

  router.post('/v1/audio/transcriptions', (request, response) => {
    const body = parseBody(audio, request, response)
    if (body === undefined) return
    const { seconds } = body
    serve(request, response, {
      account: 'openai',
      family: body.model,
      cost: { seconds },
      body: { text: 'tide', duration: seconds },
    })
  })

  router.post('/v1/text-to-speech/:voice', (request, response) => {
    const body = parseBody(voice, request, response)
    if (body === undefined) return
    const characters = body.text.length
    serve(request, response, {
      account: 'elevenlabs',
      family: 'speech',
      cost: { characters },
      body: { audio: 'sim:speech' },
    })
  })

  return router

  function serve(request: Request, response: Response, call: MediaCall): void {
    const { family, cost, body } = call
    const group = findGroup(gate, response, { account: accountOf(request, call.account), family })
    if (group === undefined) return
    serveCall(
      { gate, group, request, response },
      {
        account: group.account,
        family,
        endpoint: request.path,
        cost: { requests: 1, ...cost },
        actual: cost,
        answer: { status: 200, body },
      },
    )
  }
}

type MediaCall = {
  readonly account: string
  readonly family: string
  readonly cost: Cost
  readonly body: unknown
}
