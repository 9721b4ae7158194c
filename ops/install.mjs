// The step before every other: installs what package-lock.json says, when it is missing or has changed.
// Plain JavaScript without dependencies, and nothing newer than Node 12 can parse: it must be able to tell an old
// Node that it is too old.
// I1 Two at once are safe: the second waits for the first and then finds the work done.
// I2 An install that was cut short is done again.

import { spawn } from 'child_process'
import { createHash } from 'crypto'
import fs from 'fs'
import { tmpdir } from 'os'
import { dirname, join } from 'path'
import { fileURLToPath } from 'url'

const NODE_MINIMUM = [20, 19]
const PROGRESS_MS = 8000
const POLL_MS = 500

const project = dirname(dirname(fileURLToPath(import.meta.url)))
const name = createHash('sha256').update(project).digest('hex').slice(0, 16)
const lock = join(tmpdir(), 'resource-manager-install-' + name)
const ownNode = join(project, 'node_modules', '.bin', 'node')

main().catch((error) => fail(error instanceof Error ? error.message : String(error)))

async function main() {
  refuseOldNode()
  if (isInstalled()) return
  await takeLock()
  try {
    if (!isInstalled()) await install()
  } finally {
    fs.rmSync(lock, { recursive: true, force: true })
  }
}

function refuseOldNode() {
  const [major, minor] = process.versions.node.split('.').map(Number)
  const [wantMajor, wantMinor] = NODE_MINIMUM
  if (major > wantMajor || (major === wantMajor && minor >= wantMinor)) return
  fail(
    'Node ' + process.versions.node + ' is too old: Node ' + NODE_MINIMUM.join('.') + ' or newer is needed.',
    'install a newer Node (https://nodejs.org) and run the command again.',
  )
}

// npm notes what it has installed in node_modules/.package-lock.json, as the last step of an install.
function isInstalled() {
  const wanted = packagesOf(join(project, 'package-lock.json'))
  const present = packagesOf(join(project, 'node_modules', '.package-lock.json'))
  if (present === null || !fs.existsSync(ownNode)) return false
  return Object.keys(wanted || {}).every((path) => {
    if (path === '') return true
    if (present[path] === undefined) return wanted[path].optional === true
    return (
      present[path].version === wanted[path].version && present[path].integrity === wanted[path].integrity
    )
  })
}

function packagesOf(file) {
  try {
    return JSON.parse(fs.readFileSync(file, 'utf8')).packages || null
  } catch (error) {
    if (error.code === 'ENOENT' || error instanceof SyntaxError) return null
    throw error
  }
}

async function takeLock() {
  let told = false
  for (;;) {
    try {
      fs.mkdirSync(lock)
      fs.writeFileSync(join(lock, 'pid'), String(process.pid))
      return
    } catch (error) {
      if (error.code !== 'EEXIST') throw error
    }
    if (isHolderGone()) fs.rmSync(lock, { recursive: true, force: true })
    else if (!told) say('another start is installing the packages; waiting for it')
    told = true
    await new Promise((resolve) => setTimeout(resolve, POLL_MS))
  }
}

// A lock without a pid is one that is being taken, or whose holder died in between: given up after a while.
let pidlessPolls = 0
function isHolderGone() {
  let pid
  try {
    pid = Number(fs.readFileSync(join(lock, 'pid'), 'utf8'))
  } catch (error) {
    if (error.code !== 'ENOENT') throw error
    pidlessPolls += 1
    return pidlessPolls > 10
  }
  try {
    process.kill(pid, 0)
    return false
  } catch (error) {
    return error.code === 'ESRCH'
  }
}

// --include=dev and --ignore-scripts=false: Node itself is a development package that a script puts in its place,
// and a production environment or a cautious npm setting would leave it out.
async function install() {
  const started = Date.now()
  say('installing the packages of package-lock.json')
  const args = [
    'ci',
    '--include=dev',
    '--include=optional',
    '--ignore-scripts=false',
    '--no-audit',
    '--no-fund',
  ]
  const npm = spawn('npm', args.concat('--loglevel=error'), {
    cwd: project,
    stdio: ['ignore', 'inherit', 'inherit'],
  })
  const progress = setInterval(() => say('installing: ' + secondsSince(started)), PROGRESS_MS)
  const stop = (signal) => npm.kill(signal)
  process.once('SIGINT', stop)
  process.once('SIGTERM', stop)
  const parent = process.ppid
  const watch = setInterval(() => process.ppid === parent || npm.kill('SIGTERM'), POLL_MS)
  const code = await new Promise((resolve, reject) => {
    npm.once('error', reject)
    npm.once('exit', (exitCode, signal) => resolve(signal || exitCode))
  })
  clearInterval(progress)
  clearInterval(watch)
  if (code !== 0) {
    fs.rmSync(lock, { recursive: true, force: true })
    fail(
      'The packages could not be installed: npm ci ended with ' + code + '.',
      'see the lines above; is the network there, and the folder writable?',
    )
  }
  say('installed in ' + secondsSince(started))
}

function secondsSince(started) {
  return Math.round((Date.now() - started) / 1000) + ' s'
}

function say(line) {
  process.stderr.write(line + '\n')
}

function fail(sentence, remedy) {
  say(sentence)
  if (remedy) say('What to do: ' + remedy)
  process.exit(1)
}
