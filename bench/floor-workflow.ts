// The floor: the least that a durable request with a grant can be. Two local activities, one signal, one activity.

import {
  condition,
  defineSignal,
  proxyActivities,
  proxyLocalActivities,
  setHandler,
} from '@temporalio/workflow'
import type { FloorActivities } from './floor.ts'

const local = proxyLocalActivities<FloorActivities>({ scheduleToCloseTimeout: 5_000 })
const regular = proxyActivities<FloorActivities>({ startToCloseTimeout: 30_000 })
const grantSignal = defineSignal('grant')

export async function floor(id: string): Promise<void> {
  let isGranted = false
  setHandler(grantSignal, () => {
    isGranted = true
  })
  await local.admit(id)
  await condition(() => isGranted)
  await regular.work(id)
  await local.settle(id)
}
