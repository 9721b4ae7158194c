// `node ops/bundle-workflows.ts FILE`: bundles the workflows into FILE.

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { bundleWorkflowCode, DefaultLogger } from '@temporalio/worker'
import { PROJECT } from './environment.ts'

const [file] = process.argv.slice(2)
if (file === undefined) throw new Error('got no argument, expected the file to write to')

const { code } = await bundleWorkflowCode({
  workflowsPath: join(PROJECT, 'workflows/index.ts'),
  logger: new DefaultLogger('WARN'),
})
writeFileSync(file, code)
