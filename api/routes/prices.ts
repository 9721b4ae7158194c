// Prices: rows with the date from which they apply; none is ever changed.

import { z } from 'zod'
import { putPrice } from '../../activities/ledger/put-price.ts'
import { listPrices, readResource } from '../../activities/ledger/read-config.ts'
import { nowMs } from '../context.ts'
import { priceFrom, priceTo } from '../convert/price.ts'
import { mustActForAll } from '../keys.ts'
import { invalid, notFound } from '../problem.ts'
import { route, type Route } from '../route.ts'
import { price as priceBody, priceFault } from '../schema/price.ts'
import * as p from '../schema/primitives.ts'

const params = z.strictObject({ resourceId: p.id })
const told = z
  .strictObject({ resourceId: z.string(), ...priceBody.shape, effectiveFrom: p.time })
  .meta({ id: 'PriceTold' })
const stored = z.strictObject({ ...told.shape, configVersion: z.int() }).meta({ id: 'PriceStored' })
const prices = z.strictObject({ items: z.array(told), cursor: z.null() }).meta({ id: 'Prices' })

const put = route({
  method: 'put',
  path: '/admin/prices/{resourceId}',
  scopes: ['admin'],
  summary: 'Add a price; from its date on it replaces the ones before',
  params,
  body: priceBody,
  answers: { 200: stored, 201: stored },
  async handle({ context, caller, params, body }) {
    mustActForAll(caller)
    const { resourceId } = params
    const resource = await readResource(context.sql, resourceId)
    const price = priceFrom(resourceId, body, nowMs(context))
    const fault = priceFault(resourceId, body, resource?.unit)
    if (fault !== null) throw invalid([{ pointer: `/${fault.field}`, detail: fault.message }])
    const { version, created } = await putPrice(context.sql, price, caller.keyId)
    const answer = { resourceId, ...priceTo(price), configVersion: version }
    return { status: created ? 201 : 200, body: answer, headers: { etag: `"${version}"` } }
  },
})

const get = route({
  method: 'get',
  path: '/admin/prices/{resourceId}',
  scopes: ['admin'],
  summary: 'All prices of a resource, the newest first',
  params,
  problems: ['not-found'],
  answers: { 200: prices },
  async handle({ context, caller, params }) {
    mustActForAll(caller)
    const found = await listPrices(context.sql, params.resourceId)
    if (found.length === 0) throw notFound('price of', params.resourceId)
    return {
      status: 200,
      body: {
        items: found.map(({ id: _, ...price }) => ({ resourceId: price.resourceId, ...priceTo(price) })),
        cursor: null,
      },
    }
  },
})

export const priceRoutes: readonly Route[] = [get, put]
