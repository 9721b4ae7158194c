// Times between the wire and the clock: ISO 8601 UTC with milliseconds, and epoch milliseconds.

export function toIso(atMs: number): string {
  return new Date(atMs).toISOString()
}

export function toIsoOrNull(atMs: number | null): string | null {
  return atMs === null ? null : toIso(atMs)
}

export function fromIso(text: string): number {
  return Date.parse(text)
}

export function fromIsoOrNull(text: string | null): number | null {
  return text === null ? null : fromIso(text)
}
