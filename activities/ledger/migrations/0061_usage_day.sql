-- Up Migration

-- Sums of usage_line by day (UTC) and resource: what is told most often, of today and this month, reads few rows.
create table usage_day (
  client_id text not null,
  at timestamptz not null,
  resource text not null,
  requests bigint not null,
  units bigint not null,
  cost bigint not null,
  primary key (client_id, at, resource)
);
insert into usage_day
select client_id, date_trunc('day', at, 'UTC'), resource, sum(requests), sum(units), sum(cost)
from usage_hour group by 1, 2, 3;

-- Down Migration

drop table usage_day;
