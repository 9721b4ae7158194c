// Temporal registers every function exported here as a workflow.

export { limiter } from './limiter.ts'
export { request } from './request.ts'
export { housekeeping, repair } from './upkeep.ts'
