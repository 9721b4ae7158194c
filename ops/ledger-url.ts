// Where the ledger is: that of DATABASE_URL, else that of the `npm start` that runs on RM_DATA_DIR.

import { existsSync, readFileSync } from 'node:fs'
import { readEnvironment } from './environment.ts'
import { Fault } from './fault.ts'
import { databaseUrlFile } from './local/folder.ts'

export function ledgerUrl(): string {
  const { databaseUrl, folder } = readEnvironment(process.env)
  const file = databaseUrlFile(folder)
  if (databaseUrl !== null) return databaseUrl
  if (existsSync(file)) return readFileSync(file, 'utf8').trim()
  throw new Fault(
    `No ledger is known: nothing was started on ${folder}.`,
    'run npm start, or set DATABASE_URL.',
  )
}
