// Search attributes of request workflows: registered where they are missing, so that any Temporal will do.

import type { NativeConnection } from '@temporalio/worker'
import { SEARCH_ATTRIBUTES } from '../workflows/messages.ts'

/** `IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD` of Temporal's API. */
const KEYWORD = 2

/** Adds what is missing. Rejects where the server does not let us: then an operator adds them (docs/operations.md). */
export async function registerSearchAttributes(
  connection: NativeConnection,
  namespace: string,
): Promise<void> {
  const { customAttributes } = await connection.operatorService.listSearchAttributes({ namespace })
  const missing = SEARCH_ATTRIBUTES.filter((name) => !(name in customAttributes))
  if (missing.length > 0) await addSearchAttributes(connection, namespace, missing)
}

/** For servers that cannot list them. */
export async function addSearchAttributes(
  connection: NativeConnection,
  namespace: string,
  names: readonly string[] = SEARCH_ATTRIBUTES,
): Promise<void> {
  await connection.operatorService.addSearchAttributes({
    namespace,
    searchAttributes: Object.fromEntries(names.map((name) => [name, KEYWORD])),
  })
}
