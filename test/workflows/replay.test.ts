// Histories of released workflows still replay: whoever changes what a workflow does sees it here first.
// Recorded by `RECORD_HISTORIES=1 npm test -- test/workflows/paths.test.ts`, one of each path.

import { readdirSync, readFileSync } from 'node:fs'
import { Worker } from '@temporalio/worker'
import { describe, expect, test } from 'vitest'
import { bundleOfWorkflows } from '../support/workflows.ts'

const FOLDER = new URL('../histories/', import.meta.url)
const names = readdirSync(FOLDER).filter((name) => name.endsWith('.json'))

describe('recorded histories', () => {
  test('there is one of every path', () => {
    expect(names).toEqual([
      'limiter-answered.json',
      'limiter-continued.json',
      'request-cancelled.json',
      'request-completed.json',
      'request-deferred.json',
      'request-queued-again.json',
      'request-refused.json',
      'request-retried.json',
    ])
  })

  test('each gives the same commands again', async () => {
    const workflowBundle = await bundleOfWorkflows()
    const histories = names.map((workflowId) => ({
      workflowId,
      history: JSON.parse(readFileSync(new URL(workflowId, FOLDER), 'utf8')) as unknown,
    }))
    const replayed: string[] = []
    for await (const { workflowId, error } of Worker.runReplayHistories({ workflowBundle }, histories)) {
      expect(error, workflowId).toBeUndefined()
      replayed.push(workflowId)
    }
    expect(replayed.toSorted()).toEqual(names)
  })
})
