// Who changed what is configured, and what it was before.

import { z } from 'zod'
import { listChanges, type ChangeKey, type ListedChange } from '../../activities/ledger/list-changes.ts'
import { toIso } from '../convert/time.ts'
import { mustActForAll } from '../keys.ts'
import { keyCursorFrom, keyCursorTo, nextLink, notOurCursor } from '../page.ts'
import { route, type Route } from '../route.ts'
import * as p from '../schema/primitives.ts'
import { listQuery } from '../schema/requests.ts'

const change = z
  .strictObject({
    version: p.count.meta({ description: 'Of the configuration that the change made' }),
    at: p.time,
    actor: z.string().meta({ description: 'Id of the key; `admin` is the first one' }),
    kind: z.string(),
    id: z.string(),
    before: p.json,
    after: p.json.meta({ description: 'Any JSON; null: it was removed' }),
  })
  .meta({ id: 'ConfigChange' })
const changes = z
  .strictObject({ items: z.array(change), cursor: z.string().nullable() })
  .meta({ id: 'ConfigChanges' })

const getAudit = route({
  method: 'get',
  path: '/admin/audit',
  scopes: ['admin'],
  summary: 'Changes of the configuration, the newest first: who, when, before and after',
  query: listQuery,
  answers: { 200: changes },
  async handle({ context, caller, query, request }) {
    mustActForAll(caller)
    const after = changeKeyFrom(query.cursor)
    const { items, hasMore } = await listChanges(context.sql, { after, limit: query.limit })
    const last = items.at(-1)
    const cursor = hasMore && last !== undefined ? changeKeyTo(last) : null
    return { status: 200, body: { items: items.map(changeTo), cursor }, headers: nextLink(request, cursor) }
  },
})

function changeTo({ atMs, ...rest }: ListedChange) {
  return { ...rest, at: toIso(atMs) }
}

function changeKeyTo({ version, kind, id }: ChangeKey): string {
  return keyCursorTo(`${version} ${kind} ${id}`)
}

function changeKeyFrom(cursor: string | undefined): ChangeKey | null {
  const key = keyCursorFrom(cursor)
  if (key === null) return null
  const [, version, kind, id] = /^(\d{1,15}) (\w+) (\S+)$/.exec(key) ?? []
  if (version === undefined || kind === undefined || id === undefined) throw notOurCursor()
  return { version: Number(version), kind, id }
}

export const auditRoutes: readonly Route[] = [getAudit]
