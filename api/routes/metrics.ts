// Figures as gauges, for Prometheus in its text format and as JSON: what the limiter published last.
//
// M1  Label values are ids and names of ours: none of them holds what the format would need escaped.

import { z } from 'zod'
import { configVersion } from '../../activities/ledger/read-config.ts'
import { availability, queues } from '../../limiter/view.ts'
import { nowMs, type ApiContext } from '../context.ts'
import { toIso } from '../convert/time.ts'
import { mustActForAll } from '../keys.ts'
import { route, streamRoute, type Route } from '../route.ts'
import { QUEUE_CLASSES } from '../schema/figures.ts'
import * as p from '../schema/primitives.ts'

const TEXT_TYPE = 'text/plain'
const TEXT_VERSION = '0.0.4'

const sample = z.strictObject({
  labels: z.record(z.string(), z.union([z.string(), z.int()])),
  value: z.number(),
})
const metric = z.strictObject({ name: z.string(), help: z.string(), samples: z.array(sample) })
const detailed = z.strictObject({ asOf: p.time, metrics: z.array(metric) }).meta({ id: 'DetailedMetrics' })

type Sample = z.infer<typeof sample>
type Gauge = z.infer<typeof metric>

const getMetrics = streamRoute({
  method: 'get',
  path: '/metrics',
  scopes: ['read'],
  summary: 'Resources, limits and queues as gauges, in the text format of Prometheus',
  params: z.strictObject({}),
  streams: [TEXT_TYPE],
  async stream({ context, caller }, response) {
    mustActForAll(caller)
    const text = (await gaugesOf(context, nowMs(context))).map(textOf).join('')
    response.type(`${TEXT_TYPE}; version=${TEXT_VERSION}`).send(text)
  },
})

const getDetailed = route({
  method: 'get',
  path: '/internal/metrics/detailed',
  scopes: ['internal', 'read'],
  summary: 'The same figures as JSON',
  answers: { 200: detailed },
  async handle({ context, caller }) {
    mustActForAll(caller)
    const atMs = nowMs(context)
    return { status: 200, body: { asOf: toIso(atMs), metrics: await gaugesOf(context, atMs) } }
  },
})

async function gaugesOf(context: ApiContext, atMs: number): Promise<Gauge[]> {
  const [state, version] = await Promise.all([context.limiterView(), configVersion(context.sql)])
  const { classes } = queues(state, atMs)
  const resources = availability(state, atMs)
  const byResource = (of: (resource: (typeof resources)[number]) => number) =>
    resources.map((resource) => ({ labels: { resource: resource.id }, value: of(resource) }))
  const byLimit = (of: (limit: (typeof resources)[number]['limits'][number]) => number) =>
    resources.flatMap(({ id, limits }) =>
      limits.map((limit, nth) => ({
        labels: { resource: id, limit: nth, type: limit.type },
        value: of(limit),
      })),
    )
  const whole = (value: number) => [{ labels: {}, value }]
  return [
    gauge(
      'rm_uptime_seconds',
      'Since this process started',
      whole((atMs - context.about.startedAtMs) / 1_000),
    ),
    gauge('rm_config_version', 'Version of the configuration', whole(version)),
    gauge('rm_scheduler_paused', '1 while nothing new is granted', whole(Number(state.paused))),
    gauge(
      'rm_queue_depth',
      'Requests that wait, by queue class',
      QUEUE_CLASSES.map((name) => ({ labels: { queue_class: name }, value: classes[name].depth })),
    ),
    gauge(
      'rm_resource_available',
      'Units that one reservation could take now; negative is debt',
      byResource(({ available }) => available),
    ),
    gauge(
      'rm_resource_in_flight',
      'Reservations that hold a lease',
      byResource(({ inFlight }) => inFlight),
    ),
    gauge(
      'rm_resource_waiting',
      'Reservations that wait',
      byResource(({ waiting }) => waiting),
    ),
    gauge(
      'rm_limit_size',
      'Units of a limit as it is configured',
      byLimit(({ limit }) => limit),
    ),
    gauge(
      'rm_limit_used',
      'Units of a limit that are used',
      byLimit(({ used }) => used),
    ),
    gauge(
      'rm_limit_remaining',
      'Units of a limit that are left',
      byLimit(({ remaining }) => remaining),
    ),
  ]
}

function gauge(name: string, help: string, samples: Sample[]): Gauge {
  return { name, help, samples }
}

function textOf({ name, help, samples }: Gauge): string {
  const lines = samples.map(({ labels, value }) => {
    const pairs = Object.entries(labels).map(([label, of]) => `${label}="${of}"`)
    return `${name}${pairs.length === 0 ? '' : `{${pairs.join(',')}}`} ${value}\n`
  })
  return `# HELP ${name} ${help}\n# TYPE ${name} gauge\n${lines.join('')}`
}

export const metricRoutes: readonly Route[] = [getMetrics, getDetailed]
