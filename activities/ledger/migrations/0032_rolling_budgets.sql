-- Up Migration

-- What was used of a rolling budget, by the slice in which the request was admitted; sums of entries. The budget's one
-- period holds what is held, and is the lock of all slices.
create table budget_slice (
  budget_id bigint not null references budget (id),
  starts_at timestamptz not null,
  used bigint not null check (used between -9007199254740991 and 9007199254740991),
  primary key (budget_id, starts_at)
);

-- Down Migration

drop table budget_slice;
