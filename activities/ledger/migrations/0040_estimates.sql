-- Up Migration

-- Tokens counted in the input of an execution that did not say what it needs.
alter table request add column input_tokens bigint check (input_tokens >= 0);

-- Calls are alike by their template, else by their worker.
create function learning_subject(template text, worker text) returns text
language sql immutable as $$ select coalesce('template:' || template, 'worker:' || worker) $$;

create index request_learnt on request (learning_subject(template, worker), ended_at)
  where kind = 'execution' and state = 'completed';

-- What the last calls of a subject used of a resource; derived from requests and attempts, again and again.
create table learned_use (
  subject text not null,
  resource_id text not null,
  samples integer not null check (samples > 0),
  p50 bigint not null,
  p90 bigint not null,
  -- Beyond the tokens that were counted in the input.
  overhead_p90 bigint,
  -- Reserved less used, in percent of the used.
  error_percent_p50 bigint,
  error_percent_p90 bigint,
  -- The end of the newest call in it.
  newest timestamptz not null,
  primary key (subject, resource_id)
);

create function to_learned(use learned_use) returns jsonb
language sql immutable as $$
  select jsonb_build_object(
    'samples', use.samples, 'p50', use.p50, 'p90', use.p90, 'overheadP90', use.overhead_p90,
    'errorPercentP50', use.error_percent_p50, 'errorPercentP90', use.error_percent_p90)
$$;

-- Down Migration

drop function to_learned;
drop table learned_use;
drop index request_learnt;
drop function learning_subject;
alter table request drop column input_tokens;
