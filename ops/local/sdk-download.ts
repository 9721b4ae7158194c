// Lets the Temporal SDK download one of its servers into a folder. A program of its own, so that the SDK's native core
// is loaded by a process that ends afterwards.
// Usage: node sdk-download.ts cli|test-server VERSION FOLDER

import { TestWorkflowEnvironment } from '@temporalio/testing'

const [kind, version, downloadDir] = process.argv.slice(2)
if (version === undefined || downloadDir === undefined)
  throw new Error('usage: sdk-download.ts KIND VERSION FOLDER')
const server = { executable: { type: 'cached-download' as const, version, downloadDir } }

const environment =
  kind === 'cli'
    ? await TestWorkflowEnvironment.createLocal({ server })
    : await TestWorkflowEnvironment.createTimeSkipping({ server })
await environment.teardown()
