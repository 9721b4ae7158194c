// The workflows' code for tests: made once for all files.

import { workflowBundle } from '../../ops/workflow-bundle.ts'

export function bundleOfWorkflows(): Promise<{ readonly codePath: string }> {
  return workflowBundle((line) => process.stderr.write(`${line}\n`))
}
