// Loaded first into every process that the supervisor forks: such a process ends when the supervisor has.
// The end is as sudden as the supervisor's own (a kill -9, or it would have said SIGTERM first); everything that counts
// is in Postgres and Temporal, and a port that is held a second longer would be missed by the next start.

import { flushCompileCache } from 'node:module'
import { isMainThread } from 'node:worker_threads'

// Node keeps what it has compiled when it ends in order; a process that is killed has kept it by then.
const FLUSH_MS = 5_000

if (isMainThread && process.channel) {
  process.once('disconnect', () => process.kill(process.pid, 'SIGKILL'))
  setTimeout(flushCompileCache, FLUSH_MS).unref()
  process.channel.unref() // a process that has finished may end although it listens here
}
