// `npm run ledger:check`: prints each difference in the ledger of DATABASE_URL; exit code 1 where there is one.

import { checkLedger } from './check.ts'
import { openDatabase } from './database.ts'

const url = process.env['DATABASE_URL']
if (url === undefined) throw new Error('DATABASE_URL is not set: it says which ledger is checked')
const sql = openDatabase(url, { max: 1 })
// A whole ledger takes longer than any of its operations may.
await sql`set statement_timeout = 0`
const differences = await checkLedger(sql)
await sql.end()
for (const { rule, subject, expected, found } of differences) {
  console.log(`${rule} ${subject}: expected ${expected}, found ${found}`)
}
console.log(`${differences.length} differences`)
process.exitCode = differences.length === 0 ? 0 : 1
