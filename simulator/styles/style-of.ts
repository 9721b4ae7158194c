// The style of every group, by the name that the scenario uses.

import type { Group } from '../scenario.ts'
import { anthropic } from './anthropic.ts'
import { sendgrid, ses, twilio } from './mail-and-text.ts'
import { openai } from './openai.ts'
import { deepl, plain } from './plain.ts'
import type { Style } from './style.ts'

const STYLES: Readonly<Record<Group['style'], Style>> = {
  openai,
  anthropic,
  sendgrid,
  ses,
  twilio,
  deepl,
  plain,
}

export function styleOf({ style }: Group): Style {
  return STYLES[style]
}
