-- Some sources disclose the price of an offer and not its MW. Repeatable.
alter table raw.offers modify column start_mw Nullable(Float64), modify column block_mw Nullable(Float64);
