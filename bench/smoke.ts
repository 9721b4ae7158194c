// First figures: the whole system beside the bare floor, in one run on one server.

import { randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { Client } from '@temporalio/client'
import { NativeConnection, Runtime } from '@temporalio/worker'
import Table from 'cli-table3'
import { Ports } from '../ops/local/ports.ts'
import { startFloor, type Floor } from './floor.ts'
import { measure, type Measured } from './load.ts'
import { usageOfTree, type Usage } from './processes.ts'
import { startSystem, type System } from './system.ts'

const ROUNDS = 3
const IDLE_MS = 10_000
const SETTLE_MS = 5_000
const RESOURCE = 'bench/wide'

export async function smoke(): Promise<void> {
  Runtime.install({
    logger: { log() {}, trace() {}, debug() {}, info() {}, warn: console.warn, error: console.error },
  })
  const folder = await mkdtemp(join(tmpdir(), 'resource-manager-bench-'))
  const temporalPort = await new Ports().next('127.0.0.1', 0)
  const environment = { RM_TEMPORAL_PORT: String(temporalPort), RM_ADMIN_KEY: randomUUID() }
  try {
    progress('first start')
    const first = await startSystem(folder, environment)
    await first.stop()
    progress(`ready after ${seconds(first.startMs)}; second start`)
    const system = await startSystem(folder, environment)
    progress(`ready after ${seconds(system.startMs)}; idle for ${seconds(IDLE_MS)}`)
    const idle = await idleUsage(system)
    const connection = await NativeConnection.connect({ address: `127.0.0.1:${temporalPort}` })
    const floor = await startFloor(connection, new Client({ connection }))
    try {
      await prepare(system)
      const arms = await runArms(system, floor)
      report(first.startMs, system.startMs, idle, arms)
    } finally {
      await floor.stop()
      await connection.close()
      await system.stop()
    }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

type Arms = Readonly<Record<'floorOne' | 'systemOne' | 'floorMany' | 'systemMany' | 'pairs', Measured>>

/** Arms take turns, so that whatever else the machine does meets them all; the median round counts. */
async function runArms(system: System, floor: Floor): Promise<Arms> {
  const bare = (): Promise<boolean> => floor.once(`floor-${randomUUID()}`)
  const request = (): Promise<boolean> => completeRequest(system)
  const pair = (): Promise<boolean> => reserveAndRelease(system)
  const plan = {
    floorOne: { callers: 1, count: 40, once: bare },
    systemOne: { callers: 1, count: 40, once: request },
    floorMany: { callers: 50, count: 300, once: bare },
    systemMany: { callers: 50, count: 300, once: request },
    pairs: { callers: 64, count: 640, once: pair },
  }
  const rounds: Record<string, Measured[]> = {}
  for (let round = 1; round <= ROUNDS; round += 1) {
    for (const [name, load] of Object.entries(plan)) {
      progress(`round ${round}/${ROUNDS}: ${name}`)
      const measured = await measure(load)
      progress(
        `  ${measured.perSecond.toFixed(1)}/s, p50 ${measured.p50Ms.toFixed(0)} ms, ${measured.failures} failed`,
      )
      ;(rounds[name] ??= []).push(measured)
    }
  }
  const median = (name: string): Measured => {
    const sorted = (rounds[name] ?? []).toSorted((a, b) => a.perSecond - b.perSecond)
    const middle = sorted[Math.floor(sorted.length / 2)]
    if (middle === undefined) throw new Error(`no round of ${name}`)
    return middle
  }
  return {
    floorOne: median('floorOne'),
    systemOne: median('systemOne'),
    floorMany: median('floorMany'),
    systemMany: median('systemMany'),
    pairs: median('pairs'),
  }
}

/** A resource that never binds, so that only our own work is measured. */
async function prepare(system: System): Promise<void> {
  await put(system, `/admin/resources/${RESOURCE}`, {
    unit: 'units',
    limits: [{ type: 'token-bucket', capacity: 1_000_000, refillUnits: 1_000_000, refillMs: 1_000 }],
  })
  await put(system, `/admin/prices/${RESOURCE}`, { perUnitUsd: '0' })
  await put(system, '/admin/tiers/bench', { points: 40, weight: 4, maxConcurrent: null })
  await put(system, '/api/clients/bench', { tier: 'bench' })
}

async function put(system: System, path: string, body: unknown): Promise<void> {
  const response = await system.call('PUT', path, body)
  if (!response.ok) throw new Error(`PUT ${path}: ${response.status} ${await response.text()}`)
}

async function completeRequest(system: System): Promise<boolean> {
  const body = { clientId: 'bench', worker: 'echo', action: 'work', input: {}, resources: { [RESOURCE]: 1 } }
  const response = await system.call('POST', '/api/execute', body, { prefer: 'wait=30' })
  const { state } = (await response.json()) as { state?: string }
  return response.status === 200 && state === 'completed'
}

async function reserveAndRelease(system: System): Promise<boolean> {
  const reservationId = randomUUID()
  const reserved = await system.call('POST', '/internal/reserve', {
    reservationId,
    clientId: 'bench',
    resources: { [RESOURCE]: 1 },
    maxWaitMs: 0,
  })
  await reserved.arrayBuffer()
  const released = await system.call('POST', '/internal/release', { reservationId })
  await released.arrayBuffer()
  return reserved.status === 201 && released.ok
}

type Idle = { readonly processes: readonly Usage[]; readonly cores: number }

async function idleUsage(system: System): Promise<Idle> {
  await delay(SETTLE_MS)
  const before = new Map((await usageOfTree(system.pid)).map(({ pid, cpuMs }) => [pid, cpuMs]))
  await delay(IDLE_MS)
  const processes = await usageOfTree(system.pid)
  const cpuMs = processes.reduce((sum, now) => sum + now.cpuMs - (before.get(now.pid) ?? 0), 0)
  return { processes, cores: cpuMs / IDLE_MS }
}

function report(firstMs: number, secondMs: number, idle: Idle, arms: Arms): void {
  const table = new Table({ head: ['arm', 'count', 'failures', 'per second', 'p50 ms', 'p95 ms'] })
  for (const [name, { count, failures, perSecond, p50Ms, p95Ms }] of Object.entries(arms)) {
    table.push([name, count, failures, perSecond.toFixed(1), p50Ms.toFixed(1), p95Ms.toFixed(1)])
  }
  console.log(table.toString())
  const ours = idle.processes.filter(({ command }) => command.includes('node'))
  const total = (processes: readonly Usage[]): string =>
    `${(processes.reduce((sum, { memoryBytes }) => sum + memoryBytes, 0) / 1e6).toFixed(0)} MB`
  const lines = [
    `requests beside the floor, 50 at once: ${(arms.systemMany.perSecond / arms.floorMany.perSecond).toFixed(2)}`,
    `one at a time, p50 beside the floor: ${(arms.systemOne.p50Ms / arms.floorOne.p50Ms).toFixed(2)}`,
    `first start ${seconds(firstMs)}, second start ${seconds(secondMs)}`,
    `idle: ${total(ours)} in ${ours.length} Node processes (${total(idle.processes)} with Temporal and Postgres), ${(idle.cores * 100).toFixed(1)} % of a core`,
  ]
  console.log(lines.join('\n'))
}

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`
}

function progress(text: string): void {
  console.error(`bench: ${text}`)
}
