// The workers that this process is: those of the catalogue with endpoints, and the one that the replay registers.

export const SAMPLE_WORKERS = [
  'topic_researcher',
  'rss_source_finder',
  'feed_fetcher',
  'content_classifier',
  'report_builder',
  'ai_factory_optimizer',
  'content_granulator',
  'universal_researcher',
  'email_sender',
  'sms_notifier',
  'document_generator',
  'video_summarizer',
  'data_analyzer',
  'webhook_dispatcher',
  'chat_replayer',
] as const

export const ECHO = 'echo'
