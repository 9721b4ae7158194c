// The price rows of a language model by the catalogue @pydantic/genai-prices: data of theirs, arithmetic of ours.
//
// G1  Its floats become the shortest decimals that are read as the same float, and are divided exactly; what has no
//     exact decimal per unit is left out and told.
// G2  A price of 0 is never taken over: it may mean free, or that nobody knows.
// G3  Rows begin at `fromMs`, or on their date where that is later. What the catalogue knows of the past is left out:
//     a price of the past would change what was admitted under another.

import { calcPrice, findProvider, type ModelInfo, type ModelPrice } from '@pydantic/genai-prices'
import { PRICE_DECIMALS, formatDecimal, isUnitPrice } from '../../domain/money.ts'
import { PRICE_DEFAULTS, type Price } from '../../domain/price.ts'
import type { Threshold, Window } from '../../domain/price-rate.ts'

export const CATALOGUE = { name: '@pydantic/genai-prices 0.1.8', publishedOn: '2026-09-23' } as const

export type CataloguePrice = Omit<Price, 'id'>
export type CatalogueModel = {
  readonly rows: readonly CataloguePrice[]
  /** What it says and our rows do not, or what it does not know. */
  readonly doubts: readonly string[]
}

type Meaning = { readonly resource: string; readonly per: number; readonly partOf: string | null }

const TOKENS = 1_000_000
const INPUT = 'input-tokens'
const OUTPUT = 'output-tokens'
const token = (resource: string, partOf: string | null): Meaning => ({ resource, per: TOKENS, partOf })

/** Our resource of each of its keys, below `provider/model/`. */
const MEANINGS: Readonly<Record<string, Meaning>> = {
  input_mtok: token(INPUT, null),
  output_mtok: token(OUTPUT, null),
  cache_read_mtok: token('cache-read-tokens', INPUT),
  cache_write_mtok: token('cache-write-tokens', INPUT),
  cache_write_1h_mtok: token('cache-write-1h-tokens', INPUT),
  input_audio_mtok: token('input-audio-tokens', INPUT),
  cache_audio_read_mtok: token('cache-read-audio-tokens', INPUT),
  input_image_mtok: token('input-image-tokens', INPUT),
  cache_image_read_mtok: token('cache-read-image-tokens', INPUT),
  input_video_mtok: token('input-video-tokens', INPUT),
  output_audio_mtok: token('output-audio-tokens', OUTPUT),
  output_image_mtok: token('output-image-tokens', OUTPUT),
  output_video_mtok: token('output-video-tokens', OUTPUT),
  output_reasoning_mtok: token('reasoning-tokens', OUTPUT),
  audio_hours: { resource: 'seconds', per: 3_600, partOf: null },
  web_searches_kcount: { resource: 'web-searches', per: 1_000, partOf: null },
  storage_searches_kcount: { resource: 'file-searches', per: 1_000, partOf: null },
}

/** The part of all hours that is input says the same again; to bill both would double it. */
const REPEATED: ReadonlySet<string> = new Set(['input_audio_hours'])

/** Rows of `provider/model`, from `fromMs` on; null where the catalogue does not know it. */
export function modelFromCatalogue(name: string, fromMs: number): CatalogueModel | null {
  const slash = name.indexOf('/')
  const provider = findProvider({ providerId: name.slice(0, slash) })
  const model = provider === undefined ? null : modelOf(provider.id, name.slice(slash + 1), fromMs)
  if (provider === undefined || model === null) return null
  const [url = provider.name] = provider.pricing_urls ?? []
  const doubts: string[] = model.price_comments === undefined ? [] : [`its note: ${model.price_comments}`]
  const spans = spansOf(model, fromMs)
  const keys = [...new Set(spans.flatMap(({ prices }) => Object.keys(prices)))]
  const rows = keys.flatMap((key): CataloguePrice[] => {
    const meaning = MEANINGS[key]
    if (meaning === undefined) {
      if (!REPEATED.has(key)) doubts.push(`${key}: we have no unit for it`)
      return []
    }
    const source = `${CATALOGUE.name}, ${provider.id} ${model.id} ${key}, ${url}`
    return spans.flatMap((span, nth) => {
      const next = spans[nth + 1]
      // A key that is gone from the next span has no price there; one that is in it replaces this row by itself.
      const endsMs = next !== undefined && next.prices[key] === undefined ? next.fromMs : null
      return rowOf(span, { key, name, meaning, source, endsMs }, doubts)
    })
  })
  if (rows.length === 0) doubts.push('no row follows from what it says')
  return { rows, doubts }
}

/** Providers of the catalogue are exact, models are matched by its own rules. */
export function hasProvider(id: string): boolean {
  return findProvider({ providerId: id })?.id === id
}

function modelOf(providerId: string, model: string, atMs: number): ModelInfo | null {
  const found = calcPrice({ input_tokens: 1 }, model, { providerId, timestamp: new Date(atMs) })
  return found === null || found.provider.id !== providerId ? null : found.model
}

type Span = {
  readonly fromMs: number
  readonly prices: ModelPrice
  /** The first that fits applies, as with us; with them it is the last. */
  readonly windows: readonly { readonly from: string; readonly to: string; readonly prices: ModelPrice }[]
}

/** What holds at `fromMs`, and what comes after it. */
function spansOf({ prices }: ModelInfo, fromMs: number): readonly Span[] {
  const conditional = Array.isArray(prices) ? prices : [{ prices }]
  const windows = conditional
    .flatMap(({ constraint, prices }) =>
      constraint?.type === 'time_of_date'
        ? [{ from: constraint.start_time, to: constraint.end_time, prices }]
        : [],
    )
    .reverse()
  const dated = conditional
    .flatMap(({ constraint, prices }) => {
      if (constraint?.type === 'time_of_date') return []
      return [{ beginsMs: constraint === undefined ? -Infinity : Date.parse(constraint.start_date), prices }]
    })
    .sort((a, b) => a.beginsMs - b.beginsMs)
  const current = dated.findLastIndex(({ beginsMs }) => beginsMs <= fromMs)
  return dated.slice(Math.max(0, current)).map(({ beginsMs, prices }) => ({
    fromMs: Math.max(beginsMs, fromMs),
    prices,
    windows,
  }))
}

type Told = {
  readonly key: string
  readonly name: string
  readonly meaning: Meaning
  readonly source: string
  readonly endsMs: number | null
}

/** Nothing where the span does not have the key, or its price cannot be taken over. */
function rowOf(span: Span, { key, name, meaning, source, endsMs }: Told, doubts: string[]): CataloguePrice[] {
  const priced = span.prices[key]
  if (priced === undefined) return []
  const rate = rateOf(priced, meaning.per)
  const windows = windowsOf(span, key, meaning.per)
  if (rate === null || windows === null) {
    doubts.push(`${key}: it says ${JSON.stringify(priced)}, which is 0 or no exact price per unit`)
    return []
  }
  const isInput = meaning.resource === INPUT
  const hasThresholds = [rate, ...windows].some(({ thresholds }) => thresholds.length > 0)
  const resourceOf = (resource: string): string => `${name}/${resource}`
  return [
    {
      ...PRICE_DEFAULTS,
      ...rate,
      windows,
      resourceId: resourceOf(meaning.resource),
      effectiveFromMs: span.fromMs,
      effectiveToMs: endsMs,
      partOf: meaning.partOf === null ? null : resourceOf(meaning.partOf),
      thresholdsOf: hasThresholds && !isInput ? resourceOf(INPUT) : null,
      source,
      checkedOn: CATALOGUE.publishedOn,
    },
  ]
}

function windowsOf({ windows }: Span, key: string, per: number): readonly Window[] | null {
  const made = windows.flatMap(({ from, to, prices }) => {
    const priced = prices[key]
    if (priced === undefined) return []
    const rate = rateOf(priced, per)
    return rate === null ? [null] : [{ ...rate, days: [], ...minutesOf(from, to) }]
  })
  return made.every((one) => one !== null) ? made : null
}

function minutesOf(from: string, to: string): Pick<Window, 'fromMinute' | 'toMinute'> {
  const minute = (clock: string): number => Number(clock.slice(0, 2)) * 60 + Number(clock.slice(3, 5))
  return { fromMinute: minute(from), toMinute: minute(to) === 0 ? 1_440 : minute(to) }
}

type CatalogueRate = { readonly perUnitUsd: string; readonly thresholds: readonly Threshold[] }

/** Null where a price is 0 (G2) or has no exact decimal (G1). */
function rateOf(priced: NonNullable<ModelPrice[string]>, per: number): CatalogueRate | null {
  const base = typeof priced === 'number' ? priced : priced.base
  const tiers = typeof priced === 'number' ? [] : priced.tiers
  const perUnitUsd = exactQuotient(base, per)
  const thresholds = tiers.map(({ start, price }) => ({
    above: start,
    perUnitUsd: exactQuotient(price, per),
  }))
  if (perUnitUsd === null) return null
  const known = thresholds.flatMap(({ above, perUnitUsd }) =>
    perUnitUsd === null ? [] : [{ above, perUnitUsd }],
  )
  if (known.length < thresholds.length) return null
  return { perUnitUsd, thresholds: known.toSorted((a, b) => a.above - b.above) }
}

/** `value / per` as a decimal of at most 15 decimals; null where there is none, or it is 0. */
export function exactQuotient(value: number, per: number): string | null {
  const match = /^(\d+)(?:\.(\d+))?(?:e([+-]\d+))?$/.exec(String(value))
  if (match === null) return null
  const [, whole = '', fraction = '', exponent = '0'] = match
  const shift = PRICE_DECIMALS - fraction.length + Number(exponent)
  if (shift < 0 || value === 0) return null
  const scaled = BigInt(whole + fraction) * 10n ** BigInt(shift)
  if (scaled % BigInt(per) !== 0n) return null
  const text = formatDecimal(scaled / BigInt(per), PRICE_DECIMALS)
  return isUnitPrice(text) ? text : null
}
