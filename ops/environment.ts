// The environment variables, in one table: what may be set, what it means, what holds without it.
// E1 They are parsed once, here; all faults are told together.
// E2 An empty variable is an absent one.
// E3 A variable that starts with RM_ and is not in the table is a slip of the pen: warned about, not obeyed.
// The same table is in docs/operations.md.

import { existsSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

import { Fault } from './fault.ts'

export const PROJECT = dirname(dirname(fileURLToPath(import.meta.url)))

interface Variable {
  readonly name: string
  readonly meaning: string
  readonly standard: string
  /** Not for `npm start`: it sets this itself for what it starts, or another program reads it. */
  readonly inner?: true
}

export const VARIABLES: readonly Variable[] = [
  { name: 'PORT', meaning: 'port of the API', standard: '3000' },
  { name: 'RM_HOST', meaning: 'address the API listens on', standard: '127.0.0.1' },
  { name: 'RM_DATA_DIR', meaning: 'folder for everything the embedded parts keep', standard: '.data' },
  {
    name: 'RM_ADMIN_KEY',
    meaning: 'the first admin key (all scopes)',
    standard: 'made at first start, kept in <RM_DATA_DIR>/admin-key',
  },
  { name: 'RM_CONFIG', meaning: 'catalogue to load at first start (YAML)', standard: 'config/default.yaml' },
  { name: 'RM_SAMPLE_REQUEST', meaning: '0: do not send the sample request at start', standard: '1' },
  { name: 'DATABASE_URL', meaning: 'use this Postgres instead of the embedded one', standard: 'embedded' },
  { name: 'TEMPORAL_ADDRESS', meaning: 'use this Temporal, host:port', standard: 'embedded dev server' },
  { name: 'TEMPORAL_NAMESPACE', meaning: 'namespace at Temporal', standard: 'default' },
  { name: 'TEMPORAL_API_KEY', meaning: 'API key for Temporal', standard: 'none' },
  { name: 'TEMPORAL_TLS', meaning: 'true: speak TLS to Temporal', standard: 'true with an API key' },
  { name: 'TEMPORAL_TLS_CLIENT_CERT_PATH', meaning: 'client certificate (PEM file)', standard: 'none' },
  { name: 'TEMPORAL_TLS_CLIENT_CERT_DATA', meaning: 'client certificate (PEM text)', standard: 'none' },
  { name: 'TEMPORAL_TLS_CLIENT_KEY_PATH', meaning: "client certificate's key (PEM file)", standard: 'none' },
  { name: 'TEMPORAL_TLS_CLIENT_KEY_DATA', meaning: "client certificate's key (PEM text)", standard: 'none' },
  { name: 'TEMPORAL_TLS_SERVER_CA_CERT_PATH', meaning: "the server's CA (PEM file)", standard: 'system' },
  { name: 'TEMPORAL_TLS_SERVER_CA_CERT_DATA', meaning: "the server's CA (PEM text)", standard: 'system' },
  { name: 'TEMPORAL_TLS_SERVER_NAME', meaning: "name in the server's certificate", standard: 'the host' },
  {
    name: 'TEMPORAL_TLS_DISABLE_HOST_VERIFICATION',
    meaning: 'true: trust any server certificate',
    standard: 'false',
  },
  { name: 'RM_TEMPORAL_PORT', meaning: 'port of the embedded Temporal', standard: '7233' },
  { name: 'RM_TEMPORAL_UI_PORT', meaning: "port of the embedded Temporal's Web UI", standard: '8233' },
  { name: 'RM_POSTGRES_PORT', meaning: 'port of the embedded Postgres', standard: '5433' },
  { name: 'TEMPORAL_CLI_PATH', meaning: 'a Temporal CLI that is already there', standard: 'found or built' },
  {
    name: 'RM_KEEP_REQUESTS_DAYS',
    meaning: 'days for which ended requests, their costs and entries are kept, at least 30',
    standard: '90',
  },
  {
    name: 'RM_KEEP_USAGE_LINES_MONTHS',
    meaning: 'whole months for which usage can be exported line by line',
    standard: '13',
  },
  {
    name: 'RM_KEEP_USAGE_MONTHS',
    meaning: 'whole months for which usage is kept by the hour',
    standard: '37',
  },
  { name: 'RM_LOG_LEVEL', meaning: 'trace, debug, info, warn, error or fatal', standard: 'info' },
  {
    name: 'TEMPORAL_TEST_SERVER_PATH',
    meaning: 'a time-skipping test server that is already there',
    standard: 'found or fetched',
  },
  {
    name: 'RM_SIMULATOR_LOG',
    meaning: 'file that the provider simulator appends every decision to',
    standard: '<RM_DATA_DIR>/logs/provider.log',
  },
  {
    name: 'RM_SIMULATOR_SCENARIO',
    meaning: "the provider simulator's limits (YAML)",
    standard: 'simulator/scenarios/default.yaml',
  },
  { name: 'RM_SIMULATOR_URL', meaning: 'where the provider simulator is', standard: 'none', inner: true },
  { name: 'RM_SAMPLE_WORKER_URL', meaning: 'where the sample workers are', standard: 'none', inner: true },
  { name: 'RM_TEMPORAL_UI_URL', meaning: 'where the Temporal Web UI is', standard: 'none', inner: true },
]

export interface Environment {
  readonly port: number
  readonly host: string
  readonly folder: string
  readonly adminKey: string | null
  readonly catalogue: string
  readonly isSampleSent: boolean
  /** Null: the standard place. */
  readonly simulatorLog: string | null
  readonly databaseUrl: string | null
  readonly temporalAddress: string | null
  readonly namespace: string
  readonly temporalPort: number
  readonly temporalUiPort: number
  readonly postgresPort: number
}

/** Never shown, not even when they are wrong. */
const SECRETS: ReadonlySet<string> = new Set(['DATABASE_URL', 'RM_ADMIN_KEY'])

type Source = Readonly<Record<string, string | undefined>>

/** Parses the variables of `npm start`; throws one Fault that names every variable that cannot be used. */
export function readEnvironment(source: Source): Environment {
  const wrong: string[] = []
  const text = (name: string): string | null => source[name]?.trim() || null
  const refuse = (name: string, expected: string): void => {
    const got = SECRETS.has(name) ? 'not usable' : JSON.stringify(source[name])
    wrong.push(`${name} is ${got}, expected ${expected}`)
  }
  const port = (name: string): number => {
    const value = text(name) ?? standardOf(name)
    if (!/^\d{1,5}$/.test(value) || Number(value) > 65_535) refuse(name, 'a port, 0 to 65535')
    return Number(value)
  }
  const flag = (name: string): boolean => {
    const value = text(name) ?? standardOf(name)
    if (value !== '0' && value !== '1') refuse(name, '0 or 1')
    return value === '1'
  }

  const databaseUrl = text('DATABASE_URL')
  if (databaseUrl !== null && !/^postgres(ql)?:\/\/[^/]+/.test(databaseUrl))
    refuse('DATABASE_URL', 'postgres://USER:PASSWORD@HOST:PORT/DATABASE')
  const temporalAddress = text('TEMPORAL_ADDRESS')
  if (temporalAddress !== null && !/^[^\s/]+:\d+$/.test(temporalAddress))
    refuse('TEMPORAL_ADDRESS', 'HOST:PORT')
  const catalogue = resolve(PROJECT, text('RM_CONFIG') ?? standardOf('RM_CONFIG'))
  if (!existsSync(catalogue)) wrong.push(`RM_CONFIG: there is no file ${catalogue}`)
  const adminKey = text('RM_ADMIN_KEY')
  if (adminKey !== null && /\s/.test(adminKey)) refuse('RM_ADMIN_KEY', 'a key without blanks')

  const environment: Environment = {
    port: port('PORT'),
    host: text('RM_HOST') ?? standardOf('RM_HOST'),
    folder: resolve(PROJECT, text('RM_DATA_DIR') ?? standardOf('RM_DATA_DIR')),
    adminKey,
    catalogue,
    isSampleSent: flag('RM_SAMPLE_REQUEST'),
    simulatorLog: text('RM_SIMULATOR_LOG'),
    databaseUrl,
    temporalAddress,
    namespace: text('TEMPORAL_NAMESPACE') ?? standardOf('TEMPORAL_NAMESPACE'),
    temporalPort: port('RM_TEMPORAL_PORT'),
    temporalUiPort: port('RM_TEMPORAL_UI_PORT'),
    postgresPort: port('RM_POSTGRES_PORT'),
  }
  if (wrong.length > 0) {
    const remedy = 'set the variable as said, or leave it out; `npm start -- --help` lists them all.'
    throw new Fault(`The environment cannot be used: ${wrong.join('; ')}.`, remedy)
  }
  return environment
}

/** Names that start with RM_ and that nothing reads, in alphabetical order. */
export function unknownVariables(source: Source): readonly string[] {
  const known = new Set(VARIABLES.map((variable) => variable.name))
  return Object.keys(source)
    .filter((name) => name.startsWith('RM_') && !known.has(name))
    .toSorted()
}

/** The text of `npm start -- --help`. */
export function describeVariables(): string {
  const outer = VARIABLES.filter((variable) => variable.inner !== true)
  const width = Math.max(...outer.map((variable) => variable.name.length))
  const lines = outer.map((v) => `  ${v.name.padEnd(width)}  ${v.meaning} [${v.standard}]`)
  return ['npm start: the whole system on this machine. Variables:', ...lines].join('\n')
}

function standardOf(name: string): string {
  const variable = VARIABLES.find((candidate) => candidate.name === name)
  if (variable === undefined) throw new Error(`${name} is not in the table of variables`)
  return variable.standard
}
