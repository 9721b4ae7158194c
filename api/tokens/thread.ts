// The thread that counts tokens: one text at a time, by o200k_base, in pieces that take linear time.

import { parentPort } from 'node:worker_threads'
import { countTokens } from 'gpt-tokenizer/encoding/o200k_base'
import { piecesOf } from '../../domain/tokens.ts'

/** A name of a special token in a text is text like any other. */
const AS_TEXT = { disallowedSpecial: new Set<string>() }

parentPort?.on('message', (text: string) => {
  let tokens = 0
  for (const piece of piecesOf(text)) tokens += countTokens(piece, AS_TEXT)
  parentPort?.postMessage(tokens)
})

// The vocabulary is read.
parentPort?.postMessage('ready')
