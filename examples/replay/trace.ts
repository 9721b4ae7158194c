// A workload trace: when requests came, how many tokens went in and how many came out.
// Format: CSV with the header TIMESTAMP,ContextTokens,GeneratedTokens, as in the Azure Public Dataset.

export type TraceRow = {
  /** Milliseconds after the first row. */
  readonly atMs: number
  readonly contextTokens: number
  readonly generatedTokens: number
}

const HEADER = 'TIMESTAMP,ContextTokens,GeneratedTokens'
/** 2023-11-16 18:15:46.6805900: seven digits of a second, no zone. */
const ROW = /^(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d)(\.\d+)?,(\d+),(\d+)$/

/** Rows in order of time, at most `limit` of them. Throws an Error that names the first line that is none. */
export function parseTrace(text: string, limit = Infinity): readonly TraceRow[] {
  const [header, ...lines] = text.replace(/^\uFEFF/, '').split(/\r?\n/)
  if (header?.trim() !== HEADER) throw new Error(`line 1 is ${JSON.stringify(header)}, expected ${HEADER}`)
  const rows: TraceRow[] = []
  for (const [index, line] of lines.entries()) {
    if (rows.length >= limit) break
    if (line.trim() === '') continue
    rows.push(parseRow(line, index + 2))
  }
  const [first] = rows.sort((a, b) => a.atMs - b.atMs)
  return rows.map((row) => ({ ...row, atMs: row.atMs - (first?.atMs ?? 0) }))
}

function parseRow(line: string, lineNumber: number): TraceRow {
  const [, date, time, fraction = '.0', context, generated] = ROW.exec(line.trim()) ?? []
  const atMs = Date.parse(`${date}T${time}Z`) + Number(fraction) * 1_000
  const contextTokens = Number(context)
  const generatedTokens = Number(generated)
  if (Number.isNaN(atMs) || !(contextTokens >= 1) || !(generatedTokens >= 0)) {
    throw new Error(`line ${lineNumber} is ${JSON.stringify(line)}, expected ${HEADER}`)
  }
  return { atMs, contextTokens, generatedTokens }
}
