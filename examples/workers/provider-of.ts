// Which provider counts a resource of the catalogue, and as what. Resources that nobody but us counts have none.

export type ProviderUse = {
  readonly account: string
  readonly family: string
  readonly dimension: string
}

const NAMED: Readonly<Record<string, ProviderUse>> = {
  'sendgrid/e-mails': { account: 'sendgrid', family: 'mail', dimension: 'emails' },
  'ses/e-mails': { account: 'ses', family: 'mail', dimension: 'emails' },
  'twilio/sms': { account: 'twilio', family: 'messages', dimension: 'segments' },
  'deepl/characters': { account: 'deepl', family: 'translate', dimension: 'characters' },
  'elevenlabs/speech/slots': { account: 'elevenlabs', family: 'speech', dimension: 'calls' },
  'database/queries': { account: 'database', family: '*', dimension: 'queries' },
  'webhooks/deliveries': { account: 'webhooks', family: '*', dimension: 'deliveries' },
  'stripe/requests': { account: 'stripe', family: '*', dimension: 'requests' },
  'x/posts': { account: 'x', family: '*', dimension: 'posts' },
}

/** `account/family/dimension`, as in openai/gpt-4/tokens. */
const BY_PATH = /^(openai|anthropic|google|elevenlabs|web|cloudflare)\/([^/]+)\/([^/]+)$/

export function providerOf(resourceId: string): ProviderUse | null {
  const named = NAMED[resourceId]
  if (named !== undefined) return named
  const [, account, family, dimension] = BY_PATH.exec(resourceId) ?? []
  if (account === undefined || family === undefined || dimension === undefined) return null
  return { account, family, dimension }
}
