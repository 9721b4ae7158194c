// `npm run ledger:check`: prints each difference in the ledger; exit code 1 where there is one.

import { checkLedger } from '../activities/ledger/check.ts'
import { openDatabase } from '../activities/ledger/database.ts'
import { explain } from './fault.ts'
import { ledgerUrl } from './ledger-url.ts'

try {
  const url = ledgerUrl()
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
} catch (error) {
  console.error(explain(error))
  process.exitCode = 2
}
