// Mail and text messages: SendGrid, Amazon SES, Twilio.

import express, { Router } from 'express'
import { z } from 'zod'
import { reportFate } from '../callbacks.ts'
import type { Gate } from '../gate.ts'
import { accountOf, findGroup, serveCall } from '../serve.ts'
import { parseBody } from './parse-body.ts'

const PERSONALIZATIONS_MAX = 1_000
const SES_RECIPIENTS_MAX = 50
/** Characters of one segment of a text message, and of each of several. */
const SEGMENT_CHARACTERS = { single: 160, joined: 153 } as const

const address = z.looseObject({ email: z.string().min(3) })
const recipients = z.array(address).min(1)
const mail = z.looseObject({
  personalizations: z
    .array(z.looseObject({ to: recipients, cc: recipients.optional(), bcc: recipients.optional() }))
    .min(1)
    .max(PERSONALIZATIONS_MAX),
  from: address,
})

const names = z.array(z.string().min(3)).optional()
const sesMail = z.looseObject({
  Destination: z.looseObject({ ToAddresses: names, CcAddresses: names, BccAddresses: names }),
  Content: z.unknown(),
})

const text = z.looseObject({
  To: z.string().min(3),
  Body: z.string().min(1),
  StatusCallback: z.url().optional(),
})

export function messagingRoutes(gate: Gate): Router {
  const router = Router()

  router.post('/v3/mail/send', (request, response) => {
    const body = parseBody(mail, request, response)
    if (body === undefined) return
    const group = findGroup(gate, response, { account: accountOf(request, 'sendgrid'), family: 'mail' })
    if (group === undefined) return
    const emails = body.personalizations.reduce(
      (sum, { to, cc = [], bcc = [] }) => sum + to.length + cc.length + bcc.length,
      0,
    )
    serveCall(
      { gate, group, request, response },
      {
        account: group.account,
        family: 'mail',
        endpoint: request.path,
        cost: { requests: 1, emails },
        actual: { emails },
        answer: { status: 202, headers: { 'x-message-id': `sim-${gate.nextId()}` }, body: null },
      },
    )
  })

  router.post('/v2/email/outbound-emails', (request, response) => {
    const body = parseBody(sesMail, request, response)
    if (body === undefined) return
    const group = findGroup(gate, response, { account: accountOf(request, 'ses'), family: 'mail' })
    if (group === undefined) return
    const { ToAddresses = [], CcAddresses = [], BccAddresses = [] } = body.Destination
    const emails = ToAddresses.length + CcAddresses.length + BccAddresses.length
    if (emails < 1 || emails > SES_RECIPIENTS_MAX) {
      const message = `${emails} recipients; 1 to ${SES_RECIPIENTS_MAX} are allowed.`
      response.status(400).json({ __type: 'MessageRejected', message })
      return
    }
    serveCall(
      { gate, group, request, response },
      {
        account: group.account,
        family: 'mail',
        endpoint: request.path,
        cost: { requests: 1, emails },
        actual: { emails },
        answer: { status: 200, body: { MessageId: `sim-${gate.nextId()}` } },
      },
    )
  })

  const form = express.urlencoded({ extended: false })
  router.post('/2010-04-01/Accounts/:sid/Messages.json', form, (request, response) => {
    const body = parseBody(text, request, response)
    if (body === undefined) return
    const group = findGroup(gate, response, { account: accountOf(request, 'twilio'), family: 'messages' })
    if (group === undefined) return
    const segments = segmentsOf(body.Body)
    const sid = `SM${String(gate.nextId()).padStart(32, '0')}`
    serveCall(
      { gate, group, request, response },
      {
        account: group.account,
        family: 'messages',
        endpoint: '/Messages.json',
        cost: { requests: 1, segments },
        actual: { segments },
        onFates([fate], { atMs, times }) {
          const { StatusCallback: url, To } = body
          if (url === undefined || fate === undefined) return
          reportFate(fate, { report: { url, fields: { MessageSid: sid, To } }, atMs, times })
        },
        answer: {
          status: 201,
          body: {
            sid,
            account_sid: request.params.sid,
            to: body.To,
            status: 'queued',
            num_segments: String(segments),
          },
        },
      },
    )
  })

  return router
}

/** Segments of a text message: 160 characters in one, 153 each in several. */
export function segmentsOf(text: string): number {
  const { single, joined } = SEGMENT_CHARACTERS
  return text.length <= single ? 1 : Math.ceil(text.length / joined)
}
