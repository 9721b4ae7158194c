// The style of every group, by the name that the scenario uses.

import type { StyleName } from '../scenario.ts'
import { anthropic } from './anthropic.ts'
import { sendgrid, ses, twilio } from './mail-and-text.ts'
import { azure, gemini, translate } from './more-language.ts'
import { elevenlabs, graph, paypal, stripe, x } from './more-services.ts'
import { openai } from './openai.ts'
import { deepl, plain } from './plain.ts'
import type { Style } from './style.ts'

const STYLES: Readonly<Record<StyleName, Style>> = {
  openai,
  anthropic,
  sendgrid,
  ses,
  twilio,
  deepl,
  azure,
  gemini,
  translate,
  elevenlabs,
  stripe,
  x,
  graph,
  paypal,
  none: { ...plain, headers: () => ({}) },
  plain,
}

export function styleOf({ style }: { readonly style: StyleName }): Style {
  return STYLES[style]
}
