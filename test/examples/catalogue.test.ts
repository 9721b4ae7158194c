import { readFileSync } from 'node:fs'
import { beforeAll, describe, expect, test } from 'vitest'
import { readCatalogue } from '../../api/catalogue.ts'
import type { WholeConfigBody } from '../../api/schema/config.ts'
import { SAMPLE_WORKERS } from '../../examples/workers/names.ts'
import { providerOf } from '../../examples/workers/provider-of.ts'
import type { LimitRule } from '../../simulator/scenario.ts'
import { standardScenario } from './stand.ts'

const CURRENT = [
  'topic_researcher',
  'rss_source_finder',
  'feed_fetcher',
  'content_classifier',
  'report_builder',
  'ai_factory_optimizer',
  'content_granulator',
  'universal_researcher',
  'email_sender',
  'sms_notifier',
  'document_generator',
  'video_summarizer',
  'data_analyzer',
  'webhook_dispatcher',
]
const PLANNED = [
  'translation_engine',
  'image_generator',
  'voice_synthesizer',
  'calendar_integrator',
  'payment_processor',
  'social_media_poster',
]
/** DeepL asks euros: what that is in USD is for an operator to say. */
const UNPRICED = ['deepl/characters']

function read(name: string): WholeConfigBody {
  const file = new URL(`../../config/${name}.yaml`, import.meta.url)
  const variables = { SAMPLE_WORKERS: 'http://127.0.0.1:4000' }
  const catalogue = readCatalogue({ file: name, text: readFileSync(file, 'utf8'), variables })
  if (catalogue.kind === 'invalid') throw new Error(catalogue.errors.join('\n'))
  return catalogue.config
}

let config: WholeConfigBody
beforeAll(() => {
  config = read('default')
})

type Limit = WholeConfigBody['resources'][string]['limits'][number]

/** What one demand may be at most, with the capacity that a delay of `jitterMs` takes off a bucket. */
function mostOf(limit: Limit, jitterMs: number): number {
  switch (limit.type) {
    case 'token-bucket':
      return limit.capacity - Math.ceil((limit.refillUnits * jitterMs) / limit.refillMs)
    case 'concurrency':
      return limit.slots
    default:
      return limit.units
  }
}

/** Whether whatever our limit lets through, the provider's lets through too. */
function isWithin(ours: Limit, theirs: LimitRule): boolean {
  if (ours.type === 'token-bucket' && theirs.type === 'token-bucket') {
    const isSlower = ours.refillUnits * theirs.refillMs <= theirs.refillUnits * ours.refillMs
    return ours.capacity <= theirs.capacity && isSlower
  }
  if (ours.type === 'sliding-window' && theirs.type === 'sliding-window') {
    return ours.units <= theirs.units && ours.windowMs >= theirs.windowMs
  }
  if (ours.type === 'fixed-window' && theirs.type === 'fixed-window') {
    return ours.units <= theirs.units && ours.period === theirs.period && ours.timezone === theirs.timezone
  }
  return ours.type === 'concurrency' && theirs.type === 'concurrency' && ours.slots <= theirs.slots
}

function providersLimits(id: string): readonly LimitRule[] {
  const use = providerOf(id)
  if (use === null) return []
  const group = standardScenario.groups.find(
    ({ account, family }) => account === use.account && (family === use.family || family === '*'),
  )
  if (group === undefined) throw new Error(`no provider is simulated for ${id}`)
  return group.limits.filter(({ dimension }) => dimension === use.dimension)
}

describe('resources', () => {
  test("every limit that a provider enforces is kept by one of ours, in the provider's own model", () => {
    const broken = Object.entries(config.resources).flatMap(([id, { limits }]) =>
      providersLimits(id)
        .filter((theirs) => !limits.some((ours) => isWithin(ours, theirs)))
        .map((theirs) => `${id}: ${JSON.stringify(theirs)}`),
    )
    expect(broken).toEqual([])
  })
  test('what a provider counts allows for the delay of a call, what only we count does not', () => {
    const wrong = Object.entries(config.resources)
      .filter(([, { limits }]) => limits.some(({ type }) => type !== 'concurrency'))
      .filter(([id, { jitterMs }]) => jitterMs > 0 !== (providerOf(id) !== null))
    expect(wrong).toEqual([])
  })
  test('everything has a price with its source and date, but for what is asked in another currency', () => {
    const unpriced = Object.keys(config.resources).filter((id) => config.prices[id] === undefined)
    expect(unpriced).toEqual(UNPRICED)
    const vague = Object.entries(config.prices).filter(([, prices]) =>
      prices.some(({ source, effectiveFrom }) => source === '' || effectiveFrom === undefined),
    )
    expect(vague).toEqual([])
  })
  test('a price is of a resource that there is', () => {
    expect(Object.keys(config.prices).filter((id) => config.resources[id] === undefined)).toEqual([])
  })
  test("the specification's prices: per token, e-mail, text message, page, second of video and image", () => {
    const of = (id: string) => config.prices[id]?.[0]?.perUnitUsd
    expect({
      gpt4: [of('openai/gpt-4/input-tokens'), of('openai/gpt-4/output-tokens')],
      gpt35: [of('openai/gpt-3.5-turbo/input-tokens'), of('openai/gpt-3.5-turbo/output-tokens')],
      email: of('sendgrid/e-mails'),
      sms: of('twilio/sms'),
      page: of('documents/pages'),
      second: of('openai/whisper-1/seconds'),
      image: of('openai/dall-e-3/images'),
      character: of('elevenlabs/speech/characters'),
    }).toEqual({
      gpt4: ['0.00003', '0.00006'],
      gpt35: ['0.0000015', '0.000002'],
      email: '0.0001',
      sms: '0.0075',
      page: '0.02',
      second: '0.0001',
      image: '0.04',
      character: '0.00015',
    })
  })
})

describe('workers', () => {
  test('all of v1.0 and v2.0 have endpoints, the future ones are planned', () => {
    const { workers } = config
    const planned = Object.keys(workers).filter((name) => workers[name]?.planned === true)
    const current = Object.keys(workers).filter((name) => workers[name]?.endpoints !== undefined)
    expect({ current, planned }).toEqual({ current: CURRENT, planned: PLANNED })
  })
  test('every endpoint is served by the sample workers', () => {
    const served = SAMPLE_WORKERS.map((name) => `http://127.0.0.1:4000/workers/${name}/execute`)
    const endpoints = Object.values(config.workers).flatMap(({ endpoints }) => endpoints?.execute ?? [])
    expect(endpoints.filter((url) => !served.includes(url))).toEqual([])
  })
  test('needs are of resources that there are, and the greatest can be met', () => {
    const unmet = Object.entries(config.workers).flatMap(([name, { resourceRequirements }]) =>
      Object.entries(resourceRequirements.maximum)
        .filter(([id, units]) => {
          const resource = config.resources[id]
          if (resource === undefined) return true
          return resource.limits.some((limit) => units > mostOf(limit, resource.jitterMs))
        })
        .map(([id, units]) => `${name}: ${units} of ${id}`),
    )
    expect(unmet).toEqual([])
  })
  test('what is typical is within the maximum', () => {
    const above = Object.entries(config.workers).flatMap(([name, { resourceRequirements }]) =>
      Object.entries(resourceRequirements.typical)
        .filter(([id, units]) => units > (resourceRequirements.maximum[id] ?? 0))
        .map(([id]) => `${name}: ${id}`),
    )
    expect(above).toEqual([])
  })
  test('tokens are what goes in and what comes out together', () => {
    const different = Object.entries(config.workers).filter(
      ([
        ,
        {
          resourceRequirements: { typical },
        },
      ]) =>
        Object.entries(typical).some(([id, units]) => {
          const path = id.match(/^(openai\/.+)\/tokens$/)?.[1]
          if (path === undefined) return false
          return units !== (typical[`${path}/input-tokens`] ?? 0) + (typical[`${path}/output-tokens`] ?? 0)
        }),
    )
    expect(different).toEqual([])
  })
})

test('templates are of workers and resources that there are, one at least for every worker', () => {
  const templates = Object.values(config.templates)
  expect(templates.filter(({ worker }) => !CURRENT.includes(worker))).toEqual([])
  expect(CURRENT.filter((name) => !templates.some(({ worker }) => worker === name))).toEqual([])
  const demanded = templates.flatMap(({ resources }) => Object.keys(resources ?? {}))
  expect(demanded.filter((id) => config.resources[id] === undefined)).toEqual([])
})

test('clients are of tiers that there are', () => {
  const tiers = Object.values(config.clients).map(({ tier }) => tier)
  expect(tiers).toEqual(['premium', 'standard', 'basic'])
  expect(tiers.filter((tier) => config.tiers[tier] === undefined)).toEqual([])
})

test('tiers: points, weights and concurrency of the specification; budgets only in the standard catalogue', () => {
  const tiers = (name: string) =>
    Object.entries(read(name).tiers).map(([id, tier]) => [
      id,
      tier.points,
      tier.weight,
      tier.maxConcurrent,
      tier.dedicated,
      tier.monthlyBudgetUsd,
    ])
  expect(tiers('default')).toEqual([
    ['enterprise', 40, 4, 100, true, null],
    ['premium', 30, 3, 50, false, '1000'],
    ['standard', 20, 2, 20, false, '500'],
    ['basic', 10, 1, 5, false, '100'],
  ])
  expect(tiers('empty').map((tier) => tier.slice(0, 5))).toEqual(
    tiers('default').map((tier) => tier.slice(0, 5)),
  )
  expect(tiers('empty').map((tier) => tier[5])).toEqual([null, null, null, null])
})
