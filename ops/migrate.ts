// Brings the ledger's tables in DATABASE_URL up to date, and ends.

import { migrate } from '../activities/ledger/migrate.ts'

const url = process.env['DATABASE_URL']
if (url === undefined || url === '')
  throw new Error('DATABASE_URL is not set: it names the database to migrate')
await migrate(url)
