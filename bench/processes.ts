// Memory and processor time of a process and all its descendants, from /proc (Linux).

import { readdir, readFile } from 'node:fs/promises'

export type Usage = {
  readonly pid: number
  readonly command: string
  /** Proportional set size: memory shared with other processes counts in parts. */
  readonly memoryBytes: number
  /** User and system time so far. */
  readonly cpuMs: number
}

const CLOCK_TICK_MS = 10

export async function usageOfTree(rootPid: number): Promise<readonly Usage[]> {
  const all = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number)
  const stats = (await Promise.all(all.map(readStat))).filter((stat) => stat !== null)
  const tree = new Set([rootPid])
  for (let grown = true; grown;) {
    const before = tree.size
    for (const { pid, parentPid } of stats) if (tree.has(parentPid)) tree.add(pid)
    grown = tree.size > before
  }
  return stats.filter(({ pid }) => tree.has(pid))
}

async function readStat(pid: number): Promise<(Usage & { parentPid: number }) | null> {
  try {
    const [stat, commandLine, memory] = await Promise.all([
      readFile(`/proc/${pid}/stat`, 'utf8'),
      readFile(`/proc/${pid}/cmdline`, 'utf8'),
      readFile(`/proc/${pid}/smaps_rollup`, 'utf8'),
    ])
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    const [parent, user, system] = [1, 11, 12].map((index) => Number(fields[index]))
    return {
      pid,
      parentPid: parent ?? 0,
      command: commandLine.replaceAll('\0', ' ').trim(),
      memoryBytes: Number(/^Pss:\s+(\d+) kB/m.exec(memory)?.[1] ?? 0) * 1_024,
      cpuMs: ((user ?? 0) + (system ?? 0)) * CLOCK_TICK_MS,
    }
  } catch {
    return null // it ended while we looked
  }
}
