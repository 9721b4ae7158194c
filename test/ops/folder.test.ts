import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'

import { afterAll, describe, expect, test } from 'vitest'

import { PROJECT } from '../../ops/environment.ts'
import { keptAdminKey, openFolder } from '../../ops/local/folder.ts'
import { Ports } from '../../ops/local/ports.ts'
import { endRecorded, identify, isRunning, recordProcess } from '../../ops/local/processes.ts'

const place = mkdtempSync(join(tmpdir(), 'rm-folder-'))
afterAll(() => rmSync(place, { recursive: true, force: true }))
let count = 0
const fresh = (): string => join(place, String((count += 1)))
const modeOf = (file: string): number => statSync(file).mode & 0o777

describe('F1: only its owner can enter', () => {
  test('a folder that stood open is closed', () => {
    const path = fresh()
    mkdirSync(path)
    chmodSync(path, 0o755)
    const folder = openFolder(path)
    expect([path, folder.logs, folder.run].map(modeOf)).toEqual([0o700, 0o700, 0o700])
    folder.close()
  })

  test('the admin key is made once and is readable by its owner alone', () => {
    const folder = openFolder(fresh())
    const key = keptAdminKey(folder)
    expect(key.length).toBeGreaterThanOrEqual(32)
    expect(keptAdminKey(folder)).toBe(key)
    expect(modeOf(join(folder.path, 'admin-key'))).toBe(0o600)
    folder.close()
  })
})

describe('F2: one start at a time', () => {
  test('a second start is told who holds the folder, and a later one gets it', () => {
    const path = fresh()
    const first = openFolder(path)
    expect(() => openFolder(path)).toThrow(`in use by another start (process ${process.pid})`)
    first.close()
    openFolder(path).close()
  })

  test('K1, K2: a lock whose holder has ended, or that holds nonsense, holds nothing', () => {
    const path = fresh()
    mkdirSync(path)
    for (const stale of ['', '{"pid":', JSON.stringify({ pid: process.pid, began: 'long ago' })]) {
      writeFileSync(join(path, 'lock'), stale)
      openFolder(path).close()
    }
    expect(existsSync(join(path, 'lock'))).toBe(false)
  })
})

describe('a folder that cannot be used', () => {
  test('a file in its place stays as it is', () => {
    const path = fresh()
    writeFileSync(path, 'mine')
    expect(() => openFolder(path)).toThrow('is not a folder')
    expect(readFileSync(path, 'utf8')).toBe('mine')
  })

  test.each([
    ['the project', PROJECT],
    ["the project's parent", dirname(PROJECT)],
    ['the root', '/'],
  ])('%s is not closed to everybody else', (_, path) => {
    const before = modeOf(path)
    expect(() => openFolder(path)).toThrow('cannot be the data folder')
    expect(modeOf(path)).toBe(before)
  })
})

describe('P1: nothing is signalled by its pid alone', () => {
  test('a recorded process is ended; a stranger with its pid is not', async () => {
    const sleeper = spawn('sleep', ['60'])
    await once(sleeper, 'spawn')
    const record = fresh()
    const pid = sleeper.pid ?? 0
    const identity = identify(pid)
    writeFileSync(record, JSON.stringify({ pid, began: 'another time' }))
    expect(await endRecorded(record, { signal: 'SIGTERM', graceMs: 1_000 })).toBe(false)
    expect(identity !== null && isRunning(identity)).toBe(true)
    recordProcess(record, pid)
    expect(await endRecorded(record, { signal: 'SIGTERM', graceMs: 1_000 })).toBe(true)
    expect(identity !== null && isRunning(identity)).toBe(false)
    expect(existsSync(record)).toBe(false)
  })
})

test('a taken port is passed over, and none is given twice', async () => {
  const ports = new Ports()
  const first = await ports.next('127.0.0.1', 0)
  const second = await ports.next('127.0.0.1', first)
  expect(second).toBeGreaterThan(first)
  ports.giveBack(first)
  expect(await ports.next('127.0.0.1', first)).toBe(first)
})
