-- As-of reads filter by known_ts, which follows delivery_ts closely: a min-max index skips what was not known yet.
-- Repeatable.
alter table raw.prices add index if not exists known_ts_minmax known_ts type minmax granularity 4;
alter table raw.quantities add index if not exists known_ts_minmax known_ts type minmax granularity 4;
alter table raw.commodities add index if not exists known_ts_minmax known_ts type minmax granularity 4;
alter table raw.interfaces add index if not exists known_ts_minmax known_ts type minmax granularity 4;
alter table raw.units add index if not exists known_ts_minmax known_ts type minmax granularity 4;
