// SQL as tagged templates: what is put between `${` and `}` is a parameter, or a piece of SQL with its own parameters.
//
// T1  Text never comes from values: values are parameters, names of tables and columns are quoted.
// T2  A statement is sent when it is awaited, and once.

export type Value = string | number | boolean | null | readonly string[] | readonly number[]

/** A piece of SQL: one text more than parts. */
export class Fragment {
  readonly texts: readonly string[]
  readonly parts: readonly (Value | Fragment)[]

  constructor(texts: readonly string[], parts: readonly (Value | Fragment)[]) {
    this.texts = texts
    this.parts = parts
  }
}

export type Rendered = { readonly text: string; readonly values: readonly Value[] }

/** Rows, and how many there are or were changed. */
export type Result<Rows> = Rows & { readonly count: number }

type Send<Rows> = (rendered: Rendered) => Promise<Result<Rows>>

export class Statement<Rows> extends Fragment implements PromiseLike<Result<Rows>> {
  readonly #send: Send<Rows>
  #sent: Promise<Result<Rows>> | null = null

  constructor(texts: readonly string[], parts: readonly (Value | Fragment)[], send: Send<Rows>) {
    super(texts, parts)
    this.#send = send
  }

  // oxlint-disable-next-line unicorn/no-thenable -- awaiting is what sends it (T2)
  then<A = Result<Rows>, B = never>(
    onDone?: ((result: Result<Rows>) => A | PromiseLike<A>) | null,
    onFailed?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    this.#sent ??= this.#send(render(this))
    return this.#sent.then(onDone, onFailed)
  }
}

/** `$1`, `$2`, … in the order of the text, through all nested pieces. */
export function render(fragment: Fragment): Rendered {
  const values: Value[] = []
  return { text: textOf(fragment, values), values }
}

function textOf({ texts, parts }: Fragment, values: Value[]): string {
  let text = texts[0] ?? ''
  for (const [nth, part] of parts.entries()) {
    if (part instanceof Fragment) text += textOf(part, values)
    else text += `$${values.push(part)}`
    text += texts[nth + 1] ?? ''
  }
  return text
}

/** The name of a table or column. */
export function identifier(name: string): Fragment {
  return new Fragment([`"${name.replaceAll('"', '""')}"`], [])
}

/** Names of columns with their types. */
type Columns = Readonly<Record<string, string>>

/** `"a", "b"`, of a table where one is named. */
export function columns(of: Columns, table: string | null = null): Fragment {
  const prefix = table === null ? '' : `"${table}".`
  const names = Object.keys(of).map((name) => `${prefix}"${name}"`)
  return new Fragment([names.join(', ')], [])
}

/** `"a" text, "b" jsonb`, for rows that come as one JSON parameter. */
export function typedColumns(of: Columns): Fragment {
  const typed = Object.entries(of).map(([name, type]) => `"${name}" ${type}`)
  return new Fragment([typed.join(', ')], [])
}

/** A value as one jsonb parameter; null is SQL's null. */
export function jsonb(value: unknown): string | null {
  return value === null ? null : JSON.stringify(value)
}

/** A time as a parameter, or inside one. */
export function timestamp(atMs: number): string
export function timestamp(atMs: number | null): string | null
export function timestamp(atMs: number | null): string | null {
  return atMs === null ? null : new Date(atMs).toISOString()
}

export function toCamel(name: string): string {
  return name.replaceAll(/_([a-z])/g, (_, letter: string) => letter.toUpperCase())
}
