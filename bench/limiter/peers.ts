// The core beside in-process limiters, on what those can do: one resource with slots or a window, a queue, grant and end.
//
// Microseconds of wall time a job that does nothing, all of them queued at once, the median of three rounds. They know
// no position or ETA of a job, no several resources in one grant, no tiers and shares; bottleneck cannot cancel one job,
// rate-limiter-flexible neither ends nor orders them.

import Bottleneck from 'bottleneck'
import { RateLimiterMemory } from 'rate-limiter-flexible'
import { Scene } from './core.ts'

const ROUNDS = 3
const SLOTS = 64

type Row = Readonly<Record<string, string | number>>

export async function measurePeers(jobs: number): Promise<Row> {
  return {
    jobs,
    'ours: reserve, grant, settle': await median(jobs, () => oursOnce(jobs)),
    'bottleneck: schedule, run, end': await median(jobs, () => bottleneckOnce(jobs)),
    'rate-limiter-flexible: consume, no queue': await median(jobs, () => flexibleOnce(jobs)),
  }
}

async function median(jobs: number, once: () => Promise<void>): Promise<string> {
  const taken: number[] = []
  for (let round = 0; round < ROUNDS; round += 1) {
    const startMs = performance.now()
    await once()
    taken.push(((performance.now() - startMs) * 1_000) / jobs)
  }
  return (taken.toSorted((a, b) => a - b)[Math.floor(ROUNDS / 2)] ?? Number.NaN).toFixed(2)
}

function oursOnce(jobs: number): Promise<void> {
  const scene = new Scene(jobs)
  for (let at = 0; at < jobs; at += 1) scene.settle()
  return Promise.resolve()
}

async function bottleneckOnce(jobs: number): Promise<void> {
  const peer = new Bottleneck({ maxConcurrent: SLOTS })
  const run = (): Promise<void> => Promise.resolve()
  await Promise.all(Array.from({ length: jobs }, (_, at) => peer.schedule({ priority: at % 10 }, run)))
}

async function flexibleOnce(jobs: number): Promise<void> {
  const peer = new RateLimiterMemory({ points: jobs, duration: 60 })
  for (let at = 0; at < jobs; at += 1) await peer.consume('resource', 1)
}
