// `npm run prices`: which prices hold, why something costs what it costs, and what a catalogue of list prices would
// change; and how good the estimates were. Works on the ledger of DATABASE_URL, else on that of the `npm start` that runs.

import { Command, InvalidArgumentError } from 'commander'
import { openDatabase, type Sql } from '../../activities/ledger/database.ts'
import { listLearned } from '../../activities/ledger/learn-use.ts'
import { listPrices, pricesAt } from '../../activities/ledger/read-config.ts'
import { formatUsd } from '../../domain/money.ts'
import { priceDemand } from '../../domain/price.ts'
import { toDemand } from '../../domain/resource.ts'
import { explain, Fault } from '../fault.ts'
import { ledgerUrl } from '../ledger-url.ts'
import { CATALOGUE } from './catalogue.ts'
import { applyImport, configuredModels, planImport } from './import.ts'
import { explainLine, importTable, learnedTable, priceTable } from './tables.ts'

type At = { readonly at: number; readonly client?: string; readonly json?: true }

const program = new Command('prices').description('Prices of the running system, or of DATABASE_URL.')

program
  .command('list')
  .description('the prices that hold at a moment')
  .argument('[prefix]', 'only of resources that begin so, such as openai/')
  .option('--at <time>', 'ISO 8601', time, Date.now())
  .option('--client <id>', 'as this client pays them')
  .option('--json', 'print JSON')
  .action((prefix: string | undefined, options: At) =>
    onLedger(async (sql) => list(sql, prefix ?? '', options)),
  )

program
  .command('explain')
  .description('the row, the arithmetic and the rounding of a cost')
  .argument('<resource>', 'such as openai/gpt-4/input-tokens')
  .argument('<units>', 'whole number', count)
  .argument('[more...]', 'further resources of the same request, as resource=units')
  .option('--at <time>', 'ISO 8601', time, Date.now())
  .option('--client <id>', 'as this client pays')
  .option('--json', 'print JSON')
  .action((resource: string, units: number, more: readonly string[], options: At) =>
    onLedger((sql) => explainCost(sql, { [resource]: units, ...unitsOf(more) }, options)),
  )

type ImportOptions = {
  readonly model?: readonly string[]
  readonly from: number
  readonly apply?: true
  readonly json?: true
}

program
  .command('import')
  .description(`rows of ${CATALOGUE.name} (${CATALOGUE.publishedOn}); without --apply it shows them`)
  .option('--model <provider/model...>', 'models, such as openai/gpt-4o; default: those that are configured')
  .option('--from <time>', 'ISO 8601: from when rows that hold already apply', time, Date.now())
  .option('--apply', 'add the rows that differ')
  .option('--json', 'print JSON')
  .action((options: ImportOptions) => onLedger((sql) => importPrices(sql, options)))

program
  .command('estimates')
  .description('what was learned from earlier calls, and how far off their estimates were')
  .option('--json', 'print JSON')
  .action(({ json }: { readonly json?: true }) =>
    onLedger(async (sql) => {
      const learned = await listLearned(sql)
      console.log(json === true ? JSON.stringify(learned, null, 2) : learnedTable(learned))
    }),
  )

await program.parseAsync()

async function list(sql: Sql, prefix: string, { at, client, json }: At): Promise<void> {
  const ids = [...new Set((await listPrices(sql, null)).map(({ resourceId }) => resourceId))]
  const wanted = ids.filter((id) => id.startsWith(prefix))
  const prices = Object.values(await pricesAt(sql, wanted, { clientId: client ?? null, atMs: at }))
  console.log(json === true ? JSON.stringify(prices, null, 2) : priceTable(prices))
}

async function explainCost(
  sql: Sql,
  units: Readonly<Record<string, number>>,
  { at, client, json }: At,
): Promise<void> {
  const prices = await pricesAt(sql, Object.keys(units), { clientId: client ?? null, atMs: at })
  const priced = priceDemand(toDemand(units), prices, { atMs: at, freeUnits: {} })
  if (priced.kind === 'unknown-price') {
    const remedy = 'PUT /admin/prices/{resourceId}; "0" says that it is free.'
    throw new Fault(`${priced.resourceId} has no price at ${new Date(at).toISOString()}.`, remedy)
  }
  if (json === true) {
    const rows = priced.lines.map((line) => ({ ...line, price: prices[line.item] }))
    console.log(JSON.stringify({ totalUsd: formatUsd(priced.totalNanoUsd), lines: rows }, null, 2))
    return
  }
  for (const line of priced.lines) {
    const price = prices[line.item]
    if (price !== undefined) console.log(explainLine(line, price))
  }
  if (priced.lines.length > 1) console.log(`total ${formatUsd(priced.totalNanoUsd)} USD`)
}

async function importPrices(sql: Sql, { model, from, apply, json }: ImportOptions): Promise<void> {
  const models = model ?? (await configuredModels(sql))
  const plan = await planImport(sql, models, from)
  const added = apply === true ? await applyImport(sql, models, from) : 0
  if (json === true) {
    console.log(JSON.stringify({ ...plan, added }, null, 2))
    return
  }
  const missing = plan.differences.filter(({ kind }) => kind !== 'same').length
  if (missing > 0) console.log(importTable(plan))
  for (const { model, doubt } of plan.doubts) console.log(`${model}: ${doubt}`)
  const same = `${plan.differences.length - missing} rows are there already`
  if (apply === true) console.log(`${added} rows added, ${same}`)
  else console.log(`${missing} rows would be added, ${same}${missing > 0 ? '; --apply adds them' : ''}`)
}

async function onLedger(work: (sql: Sql) => Promise<void>): Promise<void> {
  try {
    const sql = openDatabase(ledgerUrl(), { max: 1 })
    try {
      await work(sql)
    } finally {
      await sql.end()
    }
  } catch (error) {
    console.error(explain(error))
    process.exitCode = 2
  }
}

function unitsOf(more: readonly string[]): Record<string, number> {
  return Object.fromEntries(
    more.map((text) => {
      const at = text.lastIndexOf('=')
      if (at < 1) throw new InvalidArgumentError(`${text}: expected resource=units`)
      return [text.slice(0, at), count(text.slice(at + 1))]
    }),
  )
}

function time(text: string): number {
  const atMs = Date.parse(text)
  if (Number.isNaN(atMs)) throw new InvalidArgumentError('expected a time such as 2027-01-01T00:00:00Z')
  return atMs
}

function count(text: string): number {
  const value = Number(text)
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(value)) {
    throw new InvalidArgumentError('expected a whole number from 0')
  }
  return value
}
