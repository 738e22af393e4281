-- The intermediate tables of decisions within the day are partitioned by month, as their features are; dbt makes them anew.
-- Repeatable.
drop table if exists intermediate.int_intraday_prices;
drop table if exists intermediate.int_intraday_slots;
