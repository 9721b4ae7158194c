// `npm test`: everything that the tests need, the tests, and their counts as the last line.
// A run without tests, or one that crashes, has failed.

import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { PROJECT } from './environment.ts'
import { codeOf, explain } from './fault.ts'
import { openConsole } from './local/console.ts'
import { temporalCli } from './local/temporal-cli.ts'
import { temporalTestServer } from './local/temporal-test-server.ts'

interface Counts {
  readonly passed: number
  readonly failed: number
}

const console = openConsole()
try {
  process.exitCode = await main(process.argv.slice(2))
} catch (error) {
  console.warn(explain(error))
  console.say('0 passed, 1 failed')
  process.exitCode = 1
}

async function main(args: readonly string[]): Promise<number> {
  const [cli, testServer] = await Promise.all([temporalCli(console.say), temporalTestServer(console.say)])
  const folder = mkdtempSync(join(tmpdir(), 'resource-manager-test-report-'))
  try {
    const report = join(folder, 'report.json')
    const code = await runVitest({
      args,
      report,
      env: { TEMPORAL_CLI_PATH: cli, TEMPORAL_TEST_SERVER_PATH: testServer },
    })
    const counts = countsOf(report)
    const failed = counts.failed === 0 && (code !== 0 || counts.passed === 0) ? 1 : counts.failed
    console.say(`${counts.passed} passed, ${failed} failed`)
    return failed === 0 ? 0 : 1
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

interface VitestRun {
  readonly args: readonly string[]
  readonly report: string
  readonly env: Readonly<Record<string, string>>
}

function runVitest({ args, report, env }: VitestRun): Promise<number> {
  const vitest = spawn(
    process.execPath,
    [
      join(PROJECT, 'node_modules/vitest/vitest.mjs'),
      ...['run', '--reporter=default', '--reporter=json', `--outputFile.json=${report}`],
      ...args,
    ],
    { cwd: PROJECT, stdio: 'inherit', env: { ...process.env, ...env } },
  )
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => vitest.kill(signal))
  return new Promise((resolve, reject) => {
    vitest.once('error', reject)
    vitest.once('exit', (code) => resolve(code ?? 1))
  })
}

/** Tests passed and failed; a file that failed without a failed test in it (it did not load) counts as one failed. */
function countsOf(report: string): Counts {
  let text: string
  try {
    text = readFileSync(report, 'utf8')
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return { passed: 0, failed: 0 }
    throw error
  }
  const { testResults, numPassedTests, numFailedTests } = JSON.parse(text) as VitestReport
  const unloaded = testResults.filter(
    (file) => file.status === 'failed' && file.assertionResults.every((test) => test.status !== 'failed'),
  )
  return { passed: numPassedTests, failed: numFailedTests + unloaded.length }
}

interface VitestReport {
  readonly numPassedTests: number
  readonly numFailedTests: number
  readonly testResults: readonly {
    readonly status: string
    readonly assertionResults: readonly { readonly status: string }[]
  }[]
}
