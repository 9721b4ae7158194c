// Temporal's time-skipping test server. Where it comes from, in this order:
// 1 TEMPORAL_TEST_SERVER_PATH; 2 the cache; 3 the SDK's download; 4 Maven Central, run by Java.

import { chmodSync, cpSync, existsSync } from 'node:fs'
import { join } from 'node:path'

import { PROJECT } from '../environment.ts'
import { Fault } from '../fault.ts'
import { cached } from './cache.ts'
import { runLong } from './run.ts'
import { checkedPath, download, onPath } from './temporal-cli.ts'

const VERSION = '1.38.0'
const COPY_PLUGIN = 'org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies'
const TITLE = 'getting the Temporal test server (once)'

const THREE_WAYS =
  'either (1) set TEMPORAL_TEST_SERVER_PATH to a test server; or (2) let this machine reach the internet, for the download; or (3) install Java (11 or newer) and Maven (for example `apt-get install default-jre-headless maven`).'

/** Path of a time-skipping test server. */
export async function temporalTestServer(say: (line: string) => void): Promise<string> {
  const given = process.env['TEMPORAL_TEST_SERVER_PATH']?.trim()
  if (given) return checkedPath('TEMPORAL_TEST_SERVER_PATH', given)
  const folder = await cached(`temporal-test-server-${VERSION}`, (draft) => obtain(draft, say), { say })
  if (existsSync(join(folder, 'lib'))) requireJava()
  return join(folder, 'temporal-test-server')
}

async function obtain(draft: string, say: (line: string) => void): Promise<void> {
  const target = join(draft, 'temporal-test-server')
  if (await download({ kind: 'test-server', version: 'default', target, title: TITLE, say })) return
  requireJava()
  if (onPath('mvn') === null) {
    throw new Fault(
      'There is no Temporal test server here, none can be downloaded, and there is no Maven.',
      THREE_WAYS,
    )
  }
  const source = join(PROJECT, 'ops/local/temporal-test-server')
  const { code, lines } = await runLong({
    command: 'mvn',
    args: ['-B', '-q', '-f', join(source, 'pom.xml'), COPY_PLUGIN, `-DoutputDirectory=${join(draft, 'lib')}`],
    title: TITLE,
    say,
  })
  if (code !== 0) {
    const reason = lines.find((line) => line.includes('[ERROR]')) ?? lines.at(-1) ?? 'no reason was given'
    throw new Fault(`Maven could not fetch the Temporal test server: ${reason}`, THREE_WAYS)
  }
  cpSync(join(source, 'temporal-test-server'), target)
  chmodSync(target, 0o755)
}

function requireJava(): void {
  const home = process.env['JAVA_HOME']
  if (home ? existsSync(join(home, 'bin', 'java')) : onPath('java') !== null) return
  const sentence = home
    ? `The Temporal test server needs Java, and JAVA_HOME (${home}) has none.`
    : 'The Temporal test server needs Java, and there is none.'
  throw new Fault(sentence, THREE_WAYS)
}
