// One id, one body, one effect.
//
// I1  The id comes from the body or from `Idempotency-Key`, quoted or bare; two that differ are refused.
// I2  Equal bodies are equal as JSON values: the order of keys does not count, the id itself is not part of it.

import { createHash, randomUUID } from 'node:crypto'
import type { Request } from 'express'
import type { Json } from '../domain/failure.ts'
import { id as idSchema } from './schema/primitives.ts'
import { invalid, Problem } from './problem.ts'

type Named = { readonly member: 'requestId' | 'reservationId'; readonly given: string | undefined }

/** The id of a request by I1; a new one where none is given. */
export function idOf(request: Request, { member, given }: Named): string {
  const header = headerKey(request)
  if (header !== null && given !== undefined && header !== given) {
    throw invalid([
      {
        pointer: `/${member}`,
        detail: `got "${given}", but the header Idempotency-Key says "${header}"; expected one of them, or both equal`,
      },
    ])
  }
  return given ?? header ?? randomUUID()
}

/** SHA-256 of the body as a JSON value, without its id (I2). */
export function bodyHash(body: Json, { member }: Pick<Named, 'member'>): string {
  const counted =
    typeof body === 'object' && body !== null && !Array.isArray(body)
      ? Object.fromEntries(Object.entries(body).filter(([key]) => key !== member))
      : body
  return createHash('sha256').update(canonical(counted)).digest('hex')
}

export function mismatch(requestId: string): Problem {
  return new Problem(
    'idempotency-mismatch',
    `"${requestId}" was used with another body; expected the same, or a new id`,
    {
      members: { requestId },
    },
  )
}

/** JSON with sorted keys and no blanks: equal values give equal text. */
export function canonical(value: Json): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  const members = Object.entries(value)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, member]) => `${JSON.stringify(key)}:${canonical(member)}`)
  return `{${members.join(',')}}`
}

function headerKey(request: Request): string | null {
  const header = request.get('idempotency-key')
  if (header === undefined) return null
  const bare = /^"(.*)"$/.exec(header.trim())?.[1] ?? header.trim()
  if (idSchema.safeParse(bare).success) return bare
  throw new Problem(
    'invalid-request',
    'Idempotency-Key: expected a quoted or bare id of 1 to 128 of A-Z a-z 0-9 . _ : / @ -',
  )
}
