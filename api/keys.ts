// Who calls, and what they may do.
//
// K1  A key is stored as its SHA-256 only; it is told once, when it is made.
// K2  The scope `admin` includes all others.
// K3  A key that is bound to a client acts for no other.

import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import type { Request } from 'express'
import { findKeyByHash } from '../activities/ledger/keys.ts'
import { nowMs, type ApiContext } from './context.ts'
import { Problem } from './problem.ts'
import type { KeyScope } from './schema/requests.ts'

export type Caller = {
  readonly keyId: string
  readonly scopes: readonly KeyScope[]
  /** The only client that the key acts for; null: any. */
  readonly clientId: string | null
}

const KEY_BYTES = 24
const ADMIN_CALLER: Caller = { keyId: 'admin', scopes: ['admin'], clientId: null }

export function hashKey(key: string): string {
  return createHash('sha256').update(key).digest('hex')
}

/** A new key; 192 random bits need no slow hash (K1). */
export function makeKey(): { readonly key: string; readonly hash: string } {
  const key = `rm_${randomBytes(KEY_BYTES).toString('base64url')}`
  return { key, hash: hashKey(key) }
}

/** The caller behind the request's key. Throws `unauthenticated` or, without any of `scopes`, `forbidden`. */
export async function authenticate(
  context: ApiContext,
  request: Request,
  scopes: readonly KeyScope[],
): Promise<Caller> {
  const key = /^Bearer +(\S+)$/i.exec(request.get('authorization') ?? '')?.[1]
  if (key === undefined) throw unauthenticated('expected the header Authorization: Bearer <key>')
  const caller = await callerOf(context, hashKey(key))
  if (caller === null) throw unauthenticated('the key is unknown or has expired')
  if (!caller.scopes.includes('admin') && !scopes.some((scope) => caller.scopes.includes(scope))) {
    throw new Problem(
      'forbidden',
      `expected a key with the scope ${scopes.join(' or ')}, got one with ${caller.scopes.join(', ')}`,
    )
  }
  return caller
}

/** Throws `forbidden` where the caller's key is bound to another client (K3). */
export function mustActFor(caller: Caller, clientId: string): void {
  if (caller.clientId === null || caller.clientId === clientId) return
  throw new Problem('forbidden', `the key acts for the client "${caller.clientId}" only`)
}

/** Throws `forbidden` where the key is bound to a client: what is asked concerns all of them. */
export function mustActForAll(caller: Caller): void {
  if (caller.clientId === null) return
  throw new Problem(
    'forbidden',
    `the key acts for the client "${caller.clientId}" only, and this concerns all clients`,
  )
}

async function callerOf(context: ApiContext, hash: string): Promise<Caller | null> {
  if (timingSafeEqual(Buffer.from(hash, 'hex'), Buffer.from(context.adminKeyHash, 'hex'))) return ADMIN_CALLER
  return await findKeyByHash(context.sql, hash, nowMs(context))
}

function unauthenticated(detail: string): Problem {
  return new Problem('unauthenticated', detail, { headers: { 'www-authenticate': 'Bearer' } })
}
