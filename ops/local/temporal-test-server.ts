// Temporal's time-skipping test server. Where it comes from, in this order:
// 1 TEMPORAL_TEST_SERVER_PATH; 2 the cache; 3 the SDK's download; 4 Maven Central, run by Java.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, cpSync, existsSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'

import { PROJECT } from '../environment.ts'
import { Fault } from '../fault.ts'
import { cached } from './cache.ts'
import { Ports } from './ports.ts'
import { runLong } from './run.ts'
import { checkedPath, download, onPath } from './temporal-cli.ts'

const VERSION = '1.38.0'
const COPY_PLUGIN = 'org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies'
const TITLE = 'getting the Temporal test server (once)'

const SERVER_CLASS = 'io.temporal.testserver.TestServer'
/** Those of the program temporal-test-server; shared classes fit no others. */
const JAVA_OPTIONS = ['-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC']
const HOST = '127.0.0.1'
const ARCHIVE_MS = 20_000
const SETTLE_MS = 1_000
const POLL_MS = 50

const THREE_WAYS =
  'either (1) set TEMPORAL_TEST_SERVER_PATH to a test server; or (2) let this machine reach the internet, for the download; or (3) install Java (11 or newer) and Maven (for example `apt-get install default-jre-headless maven`).'

/** Path of a time-skipping test server. */
export async function temporalTestServer(say: (line: string) => void): Promise<string> {
  const given = process.env['TEMPORAL_TEST_SERVER_PATH']?.trim()
  if (given) return checkedPath('TEMPORAL_TEST_SERVER_PATH', given)
  const folder = await cached(`temporal-test-server-${VERSION}-java`, (draft) => obtain(draft, say), { say })
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
  await shareClasses(draft)
}

// Java writes down its loaded classes when the server ends; later servers read them back instead of loading them anew
// (up in 0.3 instead of 1 s, and the SDK gives up after 5 s on a busy machine). Without it all works, only slower.
async function shareClasses(folder: string): Promise<void> {
  const port = await new Ports().next(HOST, 0)
  const server = spawn(
    java(),
    ['-XX:ArchiveClassesAtExit=classes.jsa', ...JAVA_OPTIONS, '-cp', 'lib/*', SERVER_CLASS, String(port)],
    { cwd: folder, stdio: 'ignore' },
  )
  const ended = once(server, 'exit')
  const deadline = Date.now() + ARCHIVE_MS
  while (server.exitCode === null && Date.now() < deadline && !(await isListening(port))) await delay(POLL_MS)
  await delay(SETTLE_MS)
  server.kill('SIGTERM')
  await Promise.race([ended, delay(ARCHIVE_MS)])
  server.kill('SIGKILL')
}

function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, HOST, () => resolve(true))
    socket.once('error', () => resolve(false))
    socket.once('connect', () => socket.end())
  })
}

function java(): string {
  const home = process.env['JAVA_HOME']
  return home ? join(home, 'bin', 'java') : 'java'
}

function requireJava(): void {
  const home = process.env['JAVA_HOME']
  if (home ? existsSync(join(home, 'bin', 'java')) : onPath('java') !== null) return
  const sentence = home
    ? `The Temporal test server needs Java, and JAVA_HOME (${home}) has none.`
    : 'The Temporal test server needs Java, and there is none.'
  throw new Fault(sentence, THREE_WAYS)
}
