// A fault that the person at the keyboard can mend: one sentence about what is wrong, one about what to do.
// Everything under ops/ throws it for what was foreseen; any other error is a defect and keeps its stack.

export class Fault extends Error {
  readonly remedy: string

  constructor(sentence: string, remedy: string) {
    super(sentence)
    this.name = 'Fault'
    this.remedy = remedy
  }
}

/** What the console shows for an error: sentence and remedy of a Fault, the stack of anything else. */
export function explain(error: unknown): string {
  if (error instanceof Fault) return `${error.message}\nWhat to do: ${error.remedy}`
  return error instanceof Error ? (error.stack ?? error.message) : String(error)
}

/** The system's code of an error (`EACCES`, `ENOENT`), or null. */
export function codeOf(error: unknown): string | null {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : null
}
