// A template: KAM's named kind of request, with what it leaves unsaid.

export type Template = {
  readonly name: string
  readonly worker: string
  /** Null: the request must say it, else the worker's first capability. */
  readonly action: string | null
  /** Models that may serve it, the preferred one first. */
  readonly models: readonly string[]
  /** Null: the worker's typical needs. */
  readonly resources: Readonly<Record<string, number>> | null
  /** Null: as long as the worker usually takes. */
  readonly expectedMs: number | null
  readonly deferrable: boolean
}
