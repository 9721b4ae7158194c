// The order of a start, and what goes from one part to the next:
//   data folder -> (Postgres -> tables) beside Temporal beside (provider simulator -> sample workers) -> service
// Parts that are given (DATABASE_URL, TEMPORAL_ADDRESS) are not started.

import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { type Environment, PROJECT } from '../environment.ts'
import { Fault } from '../fault.ts'
import { nextRequestLine, sendSampleRequest } from '../sample-request.ts'
import { type Child, type ChildOptions, startChild } from './child.ts'
import type { Console } from './console.ts'
import { type Folder, adminKeyFile, databaseUrlFile, keptAdminKey, openFolder } from './folder.ts'
import { keepServer } from './keep-server.ts'
import { rotate } from './log-file.ts'
import { Ports } from './ports.ts'
import { type LocalPostgres, startPostgres } from './postgres.ts'
import { runLong } from './run.ts'
import { type LocalTemporal, startTemporal } from './temporal-server.ts'

const LOOPBACK = '127.0.0.1'
const SERVICE_STOP_MS = 5_500
const COMPANION_STOP_MS = 1_000

export interface System {
  readonly url: string
}

export interface SystemOptions {
  readonly environment: Environment
  readonly console: Console
  /** Receives what ends each part; to be called from the last to the first. */
  readonly cleanups: Array<() => Promise<void>>
}

interface Site extends SystemOptions {
  readonly folder: Folder
  readonly ports: Ports
}

/** Starts everything; resolves when the API answers and the sample request has ended. */
export async function startSystem(options: SystemOptions): Promise<System> {
  const { environment, console, cleanups } = options
  const folder = openFolder(environment.folder)
  cleanups.push(() => Promise.resolve(folder.close()))
  const site: Site = { ...options, folder, ports: new Ports() }

  const servers: Array<() => Promise<void>> = []
  cleanups.push(async () => void (await Promise.all(servers.map((stop) => stop()))))
  const children: Child[] = []
  cleanups.push(async () => void (await Promise.all(children.map((child) => child.stop(COMPANION_STOP_MS)))))

  const [databaseUrl, temporal, companions] = await Promise.all([
    startDatabase(site, servers),
    startOrchestrator(site, servers),
    startCompanions(site, children),
  ])

  const adminKey = environment.adminKey ?? keptAdminKey(folder)
  const service = startPart(site, {
    name: 'service',
    module: 'ops/serve.ts',
    env: {
      PORT: String(await wantedPort(site, 'the API', { host: environment.host, port: environment.port })),
      RM_HOST: environment.host,
      RM_DATA_DIR: folder.path,
      RM_ADMIN_KEY: adminKey,
      RM_CONFIG: environment.catalogue,
      DATABASE_URL: databaseUrl,
      TEMPORAL_ADDRESS: temporal.address,
      TEMPORAL_NAMESPACE: environment.namespace,
      RM_SAMPLE_WORKER_URL: companions.workersUrl,
      RM_SIMULATOR_URL: companions.simulatorUrl,
      ...(temporal.uiUrl === null ? {} : { RM_TEMPORAL_UI_URL: temporal.uiUrl }),
    },
  })
  cleanups.push(() => service.stop(SERVICE_STOP_MS))
  const url = await service.ready

  if (environment.isSampleSent) await sendSampleRequest({ url, adminKey, console })
  const isKeyKept = environment.adminKey === null
  console.say(`API           ${url}`)
  if (temporal.uiUrl !== null) console.say(`Temporal UI   ${temporal.uiUrl}`)
  console.say(`sample worker ${companions.workersUrl} (its calls: ${companions.workersUrl}/calls)`)
  console.say(`simulator     ${companions.simulatorUrl}`)
  console.say(`admin key     ${isKeyKept ? adminKeyFile(folder) : 'the one in RM_ADMIN_KEY'}`)
  console.say(`logs          ${folder.logs}`)
  console.say(nextRequestLine(url, isKeyKept ? `$(cat ${adminKeyFile(folder)})` : '$RM_ADMIN_KEY'))
  return { url }
}

async function startDatabase(site: Site, servers: Array<() => Promise<void>>): Promise<string> {
  const { environment, console, folder, ports } = site
  const url = environment.databaseUrl ?? (await startEmbedded())
  writeFileSync(databaseUrlFile(folder.path), url, { mode: 0o600 })
  await migrate(url, console)
  return url

  async function startEmbedded(): Promise<string> {
    const postgres = await keepServer<LocalPostgres>({
      name: 'Postgres',
      console,
      start: (before) => {
        ports.giveBack(before?.port)
        return startPostgres({
          folder: join(folder.path, 'postgres'),
          record: join(folder.run, 'postgres.json'),
          logFile: join(folder.logs, 'postgres.log'),
          ports,
          port: before?.port ?? environment.postgresPort,
          say: console.say,
        })
      },
    })
    servers.push(postgres.stop)
    tellPort(console, 'Postgres', { wanted: environment.postgresPort, got: postgres.first.port })
    return postgres.first.url
  }
}

interface Orchestrator {
  readonly address: string
  readonly uiUrl: string | null
}

async function startOrchestrator(site: Site, servers: Array<() => Promise<void>>): Promise<Orchestrator> {
  const { environment, console, folder, ports } = site
  if (environment.temporalAddress !== null) return { address: environment.temporalAddress, uiUrl: null }
  const temporal = await keepServer<LocalTemporal>({
    name: 'Temporal',
    console,
    start: (before) => {
      ports.giveBack(before?.port, before?.uiPort)
      return startTemporal({
        folder: join(folder.path, 'temporal'),
        record: join(folder.run, 'temporal.json'),
        logFile: join(folder.logs, 'temporal.log'),
        ports,
        port: before?.port ?? environment.temporalPort,
        uiPort: before?.uiPort ?? environment.temporalUiPort,
        namespace: environment.namespace,
        say: console.say,
      })
    },
  })
  servers.push(temporal.stop)
  const { port, uiPort, address, uiUrl } = temporal.first
  tellPort(console, 'Temporal', { wanted: environment.temporalPort, got: port })
  tellPort(console, 'the Temporal UI', { wanted: environment.temporalUiPort, got: uiPort })
  return { address, uiUrl }
}

interface Companions {
  readonly simulatorUrl: string
  readonly workersUrl: string
}

async function startCompanions(site: Site, children: Child[]): Promise<Companions> {
  const log = site.environment.simulatorLog ?? join(site.folder.logs, 'provider.log')
  rotate(log)
  const simulator = startPart(site, {
    name: 'simulator',
    module: 'simulator/main.ts',
    env: { PORT: await keptPort(site, 'simulator'), RM_HOST: LOOPBACK, RM_SIMULATOR_LOG: log },
  })
  children.push(simulator)
  const simulatorUrl = await simulator.ready
  const workers = startPart(site, {
    name: 'sample-workers',
    module: 'examples/workers/main.ts',
    env: {
      PORT: await keptPort(site, 'sample-workers'),
      RM_HOST: LOOPBACK,
      RM_SIMULATOR_URL: simulatorUrl,
    },
  })
  children.push(workers)
  return { simulatorUrl, workersUrl: await workers.ready }
}

function startPart(site: Site, part: Pick<ChildOptions, 'name' | 'module' | 'env'>): Child {
  return startChild({
    ...part,
    record: join(site.folder.run, `${part.name}.json`),
    logFile: join(site.folder.logs, `${part.name}.log`),
    console: site.console,
  })
}

async function migrate(databaseUrl: string, console: Console): Promise<void> {
  const { code, lines } = await runLong({
    command: process.execPath,
    args: [join(PROJECT, 'ops/migrate.ts')],
    env: { DATABASE_URL: databaseUrl },
    title: 'bringing the tables up to date',
    say: console.say,
  })
  if (code === 0) return
  throw new Fault(
    `The tables could not be brought up to date: ${lines.at(-1) ?? 'no reason was given'}`,
    'see whether the database in DATABASE_URL (or the data folder) belongs to this release and can be reached.',
  )
}

async function wantedPort(site: Site, what: string, wanted: { host: string; port: number }): Promise<number> {
  const got = await site.ports.next(wanted.host, wanted.port)
  tellPort(site.console, what, { wanted: wanted.port, got })
  return got
}

// Requests under way name the address of the worker that they wait for, so a part keeps its port from start to start.
async function keptPort(site: Site, name: string): Promise<string> {
  const file = join(site.folder.path, `${name}.port`)
  const kept = existsSync(file) ? Number(readFileSync(file, 'utf8')) : 0
  const port = await site.ports.next(LOOPBACK, Number.isInteger(kept) && kept > 0 && kept < 65_536 ? kept : 0)
  writeFileSync(file, String(port), { mode: 0o600 })
  return String(port)
}

function tellPort(console: Console, what: string, { wanted, got }: { wanted: number; got: number }): void {
  if (wanted !== 0 && wanted !== got) console.say(`port ${wanted} is taken; ${what} uses ${got}`)
}
