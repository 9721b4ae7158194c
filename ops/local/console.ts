// What the person at the keyboard sees: steps on standard output, warnings on standard error.

export interface Console {
  readonly say: (line: string) => void
  readonly warn: (line: string) => void
}

/** A console that goes on when nobody reads it any more. */
export function openConsole(): Console {
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined)
  return {
    say: (line) => void process.stdout.write(`${line}\n`),
    warn: (line) => void process.stderr.write(`${line}\n`),
  }
}
