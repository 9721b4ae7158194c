// Pages of a list: an opaque cursor, and the link to the next page.

import type { Request } from 'express'
import type { Cursor } from '../activities/ledger/list-requests.ts'
import { invalid, type Problem } from './problem.ts'

export function cursorTo({ createdAtMs, id }: Cursor): string {
  return Buffer.from(`${createdAtMs} ${id}`).toString('base64url')
}

/** Throws `invalid-request` where the text is no cursor of ours. */
export function cursorFrom(text: string | undefined): Cursor | null {
  if (text === undefined) return null
  const [, createdAt, id] = /^(\d{1,16}) (\S{1,128})$/.exec(Buffer.from(text, 'base64url').toString()) ?? []
  if (createdAt === undefined || id === undefined) {
    throw notOurCursor()
  }
  return { createdAtMs: Number(createdAt), id }
}

/** Of a list whose items have a key of their own. */
export function keyCursorTo(key: string): string {
  return Buffer.from(`key ${key}`).toString('base64url')
}

/** Throws `invalid-request` where the text is no cursor of ours. */
export function keyCursorFrom(text: string | undefined): string | null {
  if (text === undefined) return null
  const decoded = Buffer.from(text, 'base64url').toString()
  if (!decoded.startsWith('key ') || keyCursorTo(decoded.slice(4)) !== text) throw notOurCursor()
  return decoded.slice(4)
}

/** The page of a list that is read whole, in the order of its keys. Throws as `keyCursorFrom` does. */
export function pageOf<Item>(
  items: readonly Item[],
  { limit, cursor }: { readonly limit: number; readonly cursor?: string | undefined },
  keyOf: (item: Item) => string,
): { readonly items: readonly Item[]; readonly cursor: string | null } {
  const after = keyCursorFrom(cursor)
  const rest = after === null ? items : items.filter((item) => keyOf(item) > after)
  const page = rest.slice(0, limit)
  const last = page.at(-1)
  return {
    items: page,
    cursor: last === undefined || rest.length === page.length ? null : keyCursorTo(keyOf(last)),
  }
}

/** `Link: rel="next"` of a page that is not the last one. */
export function nextLink(request: Request, cursor: string | null): Record<string, string> {
  if (cursor === null) return {}
  const next = new URL(request.originalUrl, 'http://localhost')
  next.searchParams.set('cursor', cursor)
  return { link: `<${next.pathname}${next.search}>; rel="next"` }
}

export function notOurCursor(): Problem {
  return invalid([{ pointer: '?cursor', detail: 'expected the cursor of the page before' }])
}
