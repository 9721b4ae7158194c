// What a request is expected to need, before anything is called.
//
// E1  What is asked goes before the template's resources, and these before the worker's typical needs.

import type { Ask } from './ask.ts'
import { toDemand, type Demand } from './resource.ts'
import type { Template } from './template.ts'
import type { Worker } from './worker.ts'

export type DemandSource = 'request' | 'template' | 'worker'

export type Estimate = { readonly demand: Demand; readonly from: DemandSource }

export function estimateOf(ask: Ask, template: Template | null, worker: Worker | null): Estimate {
  if (ask.resources !== null) return { demand: toDemand(ask.resources), from: 'request' }
  if (template !== null && template.resources !== null) {
    return { demand: toDemand(template.resources), from: 'template' }
  }
  return { demand: toDemand(worker?.typical ?? {}), from: 'worker' }
}
