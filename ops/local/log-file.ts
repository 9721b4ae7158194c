// Log files of the embedded parts: bounded, and readable when something fails.

import { existsSync, readFileSync, renameSync, statSync } from 'node:fs'

const BYTES_MAX = 16 * 1024 * 1024

/** Moves a log that has grown too long aside (one generation is kept). */
export function rotate(file: string): void {
  if (existsSync(file) && statSync(file).size > BYTES_MAX) renameSync(file, `${file}.1`)
}

/** Size of a log now, to tell later what came after this moment; 0 without a file. */
export function lengthOf(file: string): number {
  return existsSync(file) ? statSync(file).size : 0
}

/** The lines written after `from`. */
export function linesSince(file: string, from: number): readonly string[] {
  if (!existsSync(file)) return []
  return readFileSync(file).subarray(from).toString('utf8').split('\n').filter(Boolean)
}
