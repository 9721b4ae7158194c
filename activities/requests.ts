// Request workflows from the outside: start, cancel, post a result. The one place that names their options.

import { WorkflowIdConflictPolicy, WorkflowIdReusePolicy, WorkflowNotFoundError } from '@temporalio/client'
import type { Client } from '@temporalio/client'
import { defineSearchAttributeKey, SearchAttributeType, TypedSearchAttributes } from '@temporalio/common'
import type { ExecutionAsk } from '../domain/ask.ts'
import { URGENCIES } from '../domain/priority.ts'
import {
  CANCEL_SIGNAL,
  REQUEST_TASK_QUEUE,
  REQUEST_WORKFLOW,
  RESULT_SIGNAL,
  SEARCH_ATTRIBUTES,
  requestWorkflowId,
  type RequestInput,
  type WorkerResult,
} from '../workflows/messages.ts'

type Attribute = (typeof SEARCH_ATTRIBUTES)[number]

const FAIRNESS_KEY_CHARACTERS_MAX = 64

export class Requests {
  readonly #client: Client
  readonly #isEager: boolean

  /** `isEager`: a worker for requests runs in this process, on the client's own connection. */
  constructor(client: Client, { isEager }: { readonly isEager: boolean }) {
    this.#client = client
    this.#isEager = isEager
  }

  /** Starts the workflow of an execution, or joins the one that runs under its id. Rejects where Temporal is away. */
  async start(ask: ExecutionAsk, tier: string): Promise<void> {
    const who = ask.template ?? ask.worker ?? ''
    await this.#client.workflow.start(REQUEST_WORKFLOW, {
      workflowId: requestWorkflowId(ask.id),
      taskQueue: REQUEST_TASK_QUEUE,
      args: [{ ask }] satisfies [RequestInput],
      // An id whose request was refused may be tried again; whether it was, the ledger knows.
      workflowIdReusePolicy: WorkflowIdReusePolicy.ALLOW_DUPLICATE,
      workflowIdConflictPolicy: WorkflowIdConflictPolicy.USE_EXISTING,
      requestEagerStart: this.#isEager,
      priority: {
        priorityKey: URGENCIES.indexOf(ask.urgency) + 1,
        fairnessKey: ask.clientId.slice(0, FAIRNESS_KEY_CHARACTERS_MAX),
      },
      staticSummary: `${ask.clientId} (${tier}): ${who}${ask.action === null ? '' : ` ${ask.action}`}`,
      typedSearchAttributes: attributes({
        RmClient: ask.clientId,
        RmTier: tier,
        RmWorker: who,
        RmUrgency: ask.urgency,
      }),
    })
  }

  /** False where no such request runs. */
  async cancel(requestId: string): Promise<boolean> {
    return await this.#signal(requestId, CANCEL_SIGNAL)
  }

  /** False where no such request runs. */
  async sendResult(requestId: string, result: WorkerResult): Promise<boolean> {
    return await this.#signal(requestId, RESULT_SIGNAL, result)
  }

  async #signal(requestId: string, name: string, ...args: readonly unknown[]): Promise<boolean> {
    try {
      await this.#client.workflow.getHandle(requestWorkflowId(requestId)).signal(name, ...args)
      return true
    } catch (error) {
      if (error instanceof WorkflowNotFoundError) return false
      throw error
    }
  }
}

function attributes(values: Readonly<Record<Attribute, string>>): TypedSearchAttributes {
  return new TypedSearchAttributes(
    SEARCH_ATTRIBUTES.map((name) => ({
      key: defineSearchAttributeKey(name, SearchAttributeType.KEYWORD),
      value: values[name],
    })),
  )
}
