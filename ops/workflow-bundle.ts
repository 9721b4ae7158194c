// The workflows' code as the workers run it: one bundle, made once per process.

import { fileURLToPath } from 'node:url'
import { bundleWorkflowCode, type WorkflowBundle } from '@temporalio/worker'

const WORKFLOWS = fileURLToPath(new URL('../workflows/index.ts', import.meta.url))

export async function bundleWorkflows(): Promise<WorkflowBundle> {
  return await bundleWorkflowCode({ workflowsPath: WORKFLOWS })
}
