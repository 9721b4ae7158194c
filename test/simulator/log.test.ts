import { expect, test } from 'vitest'
import { openLog } from '../../simulator/log.ts'

test('G2: memory keeps the last entries, and numbers go on', () => {
  const log = openLog(null, 3)
  const scenario = { name: 'none', groups: [] }
  for (let n = 0; n < 4; n += 1) log.append({ kind: 'scenario', atMs: n, scenario, keepsCounters: false })
  expect([...log.after(0)].map(({ seq }) => seq)).toEqual([4])
  expect(log.droppedCount).toBe(3)
  log.append({ kind: 'scenario', atMs: 4, scenario, keepsCounters: false })
  expect([...log.after(4)].map(({ seq }) => seq)).toEqual([5])
})
