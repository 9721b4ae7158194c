// A body that is not what the endpoint takes is answered 400, with the member at fault.

import type { Request, Response } from 'express'
import type { z } from 'zod'

/** The parsed body; undefined where it was answered 400. */
export function parseBody<T>(schema: z.ZodType<T>, request: Request, response: Response): T | undefined {
  const parsed = schema.safeParse(request.body)
  if (parsed.success) return parsed.data
  const errors = parsed.error.issues.map(({ path, message }) => `/${path.join('/')}: ${message}`)
  response.status(400).json({ error: { message: errors.join('; '), type: 'invalid_request_error' } })
  return undefined
}
