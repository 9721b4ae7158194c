// Temporal for tests: the time-skipping server for workflows, the dev server for what needs a real one.

import { TestWorkflowEnvironment } from '@temporalio/testing'

import { temporalCli } from '../../ops/local/temporal-cli.ts'
import { DEV_SERVER_ARGS } from '../../ops/local/temporal-server.ts'
import { temporalTestServer } from '../../ops/local/temporal-test-server.ts'

const ATTEMPTS_MAX = 3

/** A server whose clock jumps while a test awaits a result; one for each test file. */
export async function startTimeSkipping(): Promise<TestWorkflowEnvironment> {
  const path = await temporalTestServer(say)
  return patiently(() =>
    TestWorkflowEnvironment.createTimeSkipping({ server: { executable: { type: 'existing-path', path } } }),
  )
}

/** A dev server in real time, with the rates and search attributes of `npm start`, kept in memory. */
export async function startDevServer(): Promise<TestWorkflowEnvironment> {
  const path = await temporalCli(say)
  return patiently(() =>
    TestWorkflowEnvironment.createLocal({
      server: {
        executable: { type: 'existing-path', path },
        ip: '127.0.0.1',
        log: { format: 'json', level: 'error' },
        extraArgs: [...DEV_SERVER_ARGS],
      },
    }),
  )
}

// The SDK gives a server five seconds to come up, which a busy machine can exceed.
async function patiently(start: () => Promise<TestWorkflowEnvironment>): Promise<TestWorkflowEnvironment> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await start()
    } catch (error) {
      if (attempt === ATTEMPTS_MAX) throw error
    }
  }
}

function say(line: string): void {
  process.stderr.write(`${line}\n`)
}
