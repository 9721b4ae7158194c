import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

import { expect, test } from 'vitest'

import { PROJECT } from '../../ops/environment.ts'

interface Lock {
  readonly packages: Readonly<
    Record<string, { readonly optionalDependencies?: Readonly<Record<string, string>> }>
  >
}

function installWith(node: string): { status: number | null; stderr: string } {
  const pretend = `data:text/javascript,Object.defineProperty(process.versions,'node',{value:'${node}'})`
  return spawnSync(process.execPath, ['--import', pretend, join(PROJECT, 'ops/install.mjs')], {
    encoding: 'utf8',
  })
}

test.each(['14.21.3', '18.20.8', '20.18.1'])(
  'Node %s is refused in a sentence that says what is needed',
  (node) => {
    const { status, stderr } = installWith(node)
    expect(status).toBe(1)
    expect(stderr).toMatch(/^Node \S+ is too old: Node 20\.19 or newer is needed\.\nWhat to do: /)
  },
)

test.each(['20.19.0', '22.18.0', '24.21.0'])('Node %s is good, and what is installed stays', (node) => {
  expect(installWith(node)).toMatchObject({ status: 0, stderr: '' })
})

// npm ci refuses a lockfile that leaves out what a package offers for another platform.
test('the lockfile knows the packages of every platform', () => {
  const { packages } = JSON.parse(readFileSync(join(PROJECT, 'package-lock.json'), 'utf8')) as Lock
  const locked = new Set(Object.keys(packages).map((path) => path.split('node_modules/').at(-1)))
  const offered = Object.values(packages).flatMap((entry) => Object.keys(entry.optionalDependencies ?? {}))
  expect(offered.length).toBeGreaterThan(0)
  expect(offered.filter((name) => !locked.has(name))).toEqual([])
})
