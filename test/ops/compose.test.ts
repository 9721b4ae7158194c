// docker-compose.yml and Dockerfile, read: no container engine is needed to see that they fit the code.

import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'

import { PROJECT, VARIABLES, readEnvironment } from '../../ops/environment.ts'
import { SEARCH_ATTRIBUTES } from '../../workflows/messages.ts'

interface ComposeService {
  readonly image: string
  readonly build?: string
  readonly environment?: Readonly<Record<string, string>>
  readonly ports?: readonly string[]
  readonly volumes?: readonly string[]
  readonly command?: readonly string[]
  readonly depends_on?: readonly string[] | Readonly<Record<string, { readonly condition: string }>>
  readonly healthcheck?: { readonly test: readonly string[] }
}

interface Compose {
  readonly services: Readonly<Record<string, ComposeService>>
  readonly volumes: Readonly<Record<string, unknown>>
}

const text = (file: string): string => readFileSync(join(PROJECT, file), 'utf8')
const compose = parse(text('docker-compose.yml'), { merge: true }) as Compose
const services = Object.entries(compose.services)
const ours = services.filter(([, service]) => service.build !== undefined)
const EXACT_TAG = /^[\w./-]+:\d+\.\d+(\.\d+)?(-[\w.-]+)?$/

describe('images', () => {
  test.each(services)('%s has an exact tag', (_, service) => expect(service.image).toMatch(EXACT_TAG))

  test('the Dockerfile starts from an exact tag, and from the Node of the lockfile', () => {
    const bases = [...text('Dockerfile').matchAll(/^FROM (\S+)/gm)].map((match) => match[1] ?? '')
    const { devDependencies } = JSON.parse(text('package.json')) as { devDependencies: { node: string } }
    expect(bases.length).toBeGreaterThan(0)
    for (const base of bases) {
      expect(base).toMatch(EXACT_TAG)
      expect(base).toContain(`node:${devDependencies.node}-`)
    }
  })

  test('server, schema tool and the dev server of npm start are one version', () => {
    const version = /temporalio\/server:(\S+)/.exec(text('docker-compose.yml'))?.[1]
    expect(compose.services['temporal-schema']?.image).toBe(`temporalio/admin-tools:${version}`)
    expect(text('ops/local/temporal-cli/go.mod')).toContain(`go.temporal.io/server v${version} `)
  })
})

describe('variables', () => {
  const known = new Set(VARIABLES.map((variable) => variable.name))

  test.each(ours)('%s sets none that the code does not read', (_, service) => {
    expect(Object.keys(service.environment ?? {}).filter((name) => !known.has(name))).toEqual([])
  })

  test.each(ours)('%s sets them to what the code takes', (_, service) => {
    const environment = Object.entries(service.environment ?? {}).map(([name, value]) => [
      name,
      value.replace(/\$\{(\w+):\?[^}]*\}/g, 'from-the-environment'),
    ])
    expect(() => readEnvironment(Object.fromEntries(environment))).not.toThrow()
  })

  test('no secret is written down', () => {
    const secrets = services.flatMap(([, service]) =>
      Object.entries(service.environment ?? {}).filter(([name]) => /PASSWORD|PWD|KEY$/.test(name)),
    )
    expect(secrets.length).toBeGreaterThan(0)
    for (const [, value] of secrets) expect(value).toMatch(/^\$\{\w+:\?/)
  })

  test('the cluster has 512 history shards', () => {
    expect(compose.services['temporal']?.environment?.['NUM_HISTORY_SHARDS']).toBe('512')
  })
})

describe('what belongs together', () => {
  test.each(ours)('%s runs a program that is there and that the image holds', (_, service) => {
    const [program = ''] = service.command ?? []
    expect(existsSync(join(PROJECT, program))).toBe(true)
    expect(text('.dockerignore')).toContain(`!${program.split('/')[0]}\n`)
  })

  test('a published port is the one that its program listens on', () => {
    const listening: Readonly<Record<string, string | undefined>> = {
      api: compose.services['api']?.environment?.['PORT'],
      temporal: '7233',
      'temporal-ui': '8080',
    }
    const published = services.flatMap(([name, service]) =>
      (service.ports ?? []).map((port) => [name, port] as const),
    )
    for (const [name, port] of published) expect(port.split(':').at(-1), name).toBe(listening[name])
    const outer = published.map(([, port]) => port.split(':').at(-2))
    expect(new Set(outer).size).toBe(outer.length)
    for (const [, port] of published) expect(port).toMatch(/^127\.0\.0\.1:/)
  })

  test('addresses name services, and ports that these listen on', () => {
    const ports: Readonly<Record<string, string | undefined>> = {
      postgres: '5432',
      temporal: '7233',
      simulator: compose.services['simulator']?.environment?.['PORT'],
      'sample-workers': compose.services['sample-workers']?.environment?.['PORT'],
    }
    const addresses = services.flatMap(([, service]) =>
      Object.values(service.environment ?? {}).flatMap((value) => [
        ...value.matchAll(/(?:^|@|\/\/)([a-z][a-z-]*):(\d+)/g),
      ]),
    )
    expect(addresses.length).toBeGreaterThan(0)
    for (const [address, host = '', port] of addresses) expect(port, address).toBe(ports[host])
  })

  test('named volumes are declared and used; folders that are mounted exist', () => {
    const mounts = services.flatMap(([, service]) =>
      (service.volumes ?? []).map((volume) => volume.split(':')[0] ?? ''),
    )
    const named = mounts.filter((mount) => !mount.startsWith('.'))
    expect(new Set(named)).toEqual(new Set(Object.keys(compose.volumes)))
    for (const mount of mounts.filter((path) => path.startsWith('.'))) {
      expect(existsSync(join(PROJECT, mount)), mount).toBe(true)
    }
  })

  test('nothing waits for a service that is not there, or for a health that nobody checks', () => {
    for (const [name, service] of services) {
      const needs = Array.isArray(service.depends_on) ? [] : Object.entries(service.depends_on ?? {})
      for (const [need, { condition }] of needs) {
        expect(compose.services[need], `${name} needs ${need}`).toBeDefined()
        if (condition === 'service_healthy') expect(compose.services[need]?.healthcheck, need).toBeDefined()
      }
    }
  })

  test('the job registers the search attributes that the code uses', () => {
    const script = text('ops/compose/setup/temporal-search-attributes.sh')
    expect(/for name in (.*);/.exec(script)?.[1]?.split(' ')).toEqual([...SEARCH_ATTRIBUTES])
  })

  test('the dynamic configuration is the file that the server is given', () => {
    const path = compose.services['temporal']?.environment?.['DYNAMIC_CONFIG_FILE_PATH'] ?? ''
    const mount = compose.services['temporal']?.volumes?.[0]?.split(':') ?? []
    expect(existsSync(join(PROJECT, mount[0] ?? '', path.replace(`${mount[1]}/`, '')))).toBe(true)
  })
})
