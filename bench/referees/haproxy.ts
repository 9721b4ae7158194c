// haproxy `http_req_rate` as a referee of sliding counters: two periods, the former weighted by the part of it that is
// still in sight, and rejected requests count like any other. Its log tells what it decided on each.

import type { Program } from './debian.ts'
import { HEALTH_PATH, startReferee, type Decision, type Referee } from './referee.ts'

export type HaproxyLimit = { readonly units: number; readonly windowMs: number }

export function startHaproxy(program: Program, { units, windowMs }: HaproxyLimit): Promise<Referee> {
  return startReferee({
    program,
    args: (configFile) => ['-db', '-f', configFile],
    logFile: null,
    parse,
    configure: ({ port }) => `
global
  maxconn 512
  log stdout format raw daemon
defaults
  mode http
  timeout client 60s
  timeout http-keep-alive 60s
  timeout http-request 10s
frontend referee
  bind 127.0.0.1:${port}
  log global
  log-format "decision %[date(0,ms)] %ST"
  stick-table type integer size 16 expire 1h store http_req_rate(${windowMs})
  http-request set-log-level silent if { path ${HEALTH_PATH} }
  http-request return status 200 content-type text/plain string ok if { path ${HEALTH_PATH} }
  http-request track-sc0 int(1)
  http-request deny deny_status 429 if { sc_http_req_rate(0) gt ${units} }
  http-request return status 200 content-type text/plain string ok
`,
  })
}

function parse(line: string): Decision | null {
  const found = /^decision (\d+) (\d+)$/.exec(line)
  if (found === null) return null
  return { atMs: Number(found[1]), isAdmitted: found[2] === '200' }
}
