// `npm run ledger:check`: prints each difference in the ledger; exit code 1 where there is one. The ledger is that of
// DATABASE_URL, else that of the `npm start` that runs on RM_DATA_DIR.

import { existsSync, readFileSync } from 'node:fs'
import { checkLedger } from '../activities/ledger/check.ts'
import { openDatabase } from '../activities/ledger/database.ts'
import { readEnvironment } from './environment.ts'
import { explain, Fault } from './fault.ts'
import { databaseUrlFile } from './local/folder.ts'

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

function ledgerUrl(): string {
  const { databaseUrl, folder } = readEnvironment(process.env)
  const file = databaseUrlFile(folder)
  if (databaseUrl !== null) return databaseUrl
  if (existsSync(file)) return readFileSync(file, 'utf8').trim()
  throw new Fault(
    `No ledger is known: nothing was started on ${folder}.`,
    'run npm start, or set DATABASE_URL.',
  )
}
