// nginx `limit_req` as a referee of token buckets: `burst=k nodelay` is a bucket of k + 1 requests that counts in
// thousandths of a request and whole milliseconds. Its access log tells what it decided on each.

import type { Program } from './debian.ts'
import { HEALTH_PATH, startReferee, type Decision, type Referee } from './referee.ts'

export type NginxLimit = { readonly perMinute: number; readonly capacity: number }

export function startNginx(program: Program, { perMinute, capacity }: NginxLimit): Promise<Referee> {
  return startReferee({
    program,
    args: (configFile, folder) => ['-p', folder, '-c', configFile, '-e', 'error.log'],
    logFile: 'access.log',
    parse,
    configure: ({ port }) => `
daemon off;
master_process off;
pid nginx.pid;
events { worker_connections 512; }
http {
  client_body_temp_path body;
  proxy_temp_path proxy;
  fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi;
  scgi_temp_path scgi;
  keepalive_requests 1000000;
  log_format decision '$msec $limit_req_status $request_uri';
  access_log access.log decision;
  limit_req_zone $server_addr zone=referee:1m rate=${perMinute}r/m;
  limit_req_status 429;
  server {
    listen 127.0.0.1:${port};
    location = ${HEALTH_PATH} { empty_gif; }
    location / {
      limit_req zone=referee burst=${capacity - 1} nodelay;
      empty_gif;
    }
  }
}
`,
  })
}

function parse(line: string): Decision | null {
  const [seconds, status, path] = line.split(' ')
  if (path === undefined || path === HEALTH_PATH) return null
  return { atMs: Math.round(Number(seconds) * 1_000), isAdmitted: status === 'PASSED' }
}
