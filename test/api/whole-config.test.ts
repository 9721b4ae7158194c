// Everything that is configured, at once.

import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { applyCatalogue, loadCatalogue } from '../../api/catalogue.ts'
import { BUCKET, clientOf, type Client } from './client.ts'
import { openStand, type Stand } from './stand.ts'

let stand: Stand
let api: Client
beforeAll(async () => {
  stand = await openStand()
  api = clientOf(stand)
  await api.put('/admin/tiers/gold', { points: 40, weight: 4 })
  await api.put('/admin/resources/kept', { unit: 'tokens', limits: [BUCKET] })
  await api.put('/api/clients/acme', { tier: 'gold' })
})
afterAll(() => stand.close())

describe('the whole configuration', () => {
  test('W1 needs If-Match, the newest', async () => {
    const { body, headers } = await api.get('/admin/config')
    expect(await api.put('/admin/config', body)).toMatchObject({
      status: 428,
      body: { code: 'precondition-required' },
    })
    const stale = { headers: { 'if-match': '"1"' } }
    expect(await api.put('/admin/config', body, stale)).toMatchObject({
      status: 412,
      body: { code: 'precondition-failed' },
    })
    const newest = { headers: { 'if-match': headers.get('etag') ?? '' } }
    const replaced = await api.put('/admin/config', body, newest)
    expect(replaced.status).toBe(200)
    expect(replaced.headers.get('etag')).toBe(`"${replaced.body.configVersion}"`)
    expect((await api.get('/admin/config')).body).toEqual(body)
  })

  test('is read and replaced as YAML too', async () => {
    const yaml = await api.get('/admin/config', { headers: { accept: 'application/yaml' } })
    expect(yaml.headers.get('content-type')).toMatch('application/yaml')
    expect(parse(yaml.body)).toEqual((await api.get('/admin/config')).body)
    const put = await api.raw('PUT', '/admin/config', yaml.body, {
      'content-type': 'application/yaml',
      'if-match': yaml.headers.get('etag') ?? '',
    })
    expect(put.status).toBe(200)
    const broken = { 'content-type': 'application/yaml', 'if-match': '*' }
    expect(await api.raw('PUT', '/admin/config', 'tiers: [', broken)).toMatchObject({ status: 400 })
  })

  test('removes what is not in it, and the limiter knows', async () => {
    const { body } = await api.get('/admin/config')
    await api.put('/admin/resources/gone', { unit: 'x', limits: [BUCKET] })
    expect((await api.put('/admin/config', body, { headers: { 'if-match': '*' } })).status).toBe(200)
    expect((await api.get('/api/resources/availability?id=gone')).status).toBe(404)
  })

  test.each(['default', 'empty'])(
    'config/%s.yaml is valid, and goes into an empty ledger once',
    async (name) => {
      const empty = await openStand()
      try {
        const client = clientOf(empty)
        const file = new URL(`../../config/${name}.yaml`, import.meta.url).pathname
        const config = await loadCatalogue(file, { SAMPLE_WORKERS: 'http://127.0.0.1:4000' })
        await applyCatalogue(empty.context, config)
        const { body, headers } = await client.get('/admin/config')
        expect(Object.keys(body.resources).toSorted()).toEqual(Object.keys(config.resources).toSorted())
        expect(Object.keys(body.workers).toSorted()).toEqual(Object.keys(config.workers).toSorted())
        await client.put('/admin/tiers/own', { points: 1, weight: 1 })
        await applyCatalogue(empty.context, config)
        expect((await client.get('/admin/tiers/own')).status).toBe(200)
        expect(headers.get('etag')).toBe('"1"')
      } finally {
        await empty.close()
      }
    },
  )
})
