-- Mean price of the market's reserve products at the same local time one day before, as known at each gate.
-- Grain: market, delivery_date, local_minute. As-of rule: first published prices with known_ts <= as_of.
{{ config(materialized='ephemeral') }}

with

days as (
    select
        market,
        delivery_date,
        as_of
    from {{ source('calendar', 'market_days') }} where {{ of_market() }}
),

calendar as (
    select * from {{ ref('int_market_calendar') }}
    where {{ of_market() }} and {{ is_rebuilt(days_before=1) }} and dst_fold = 0
),

prices as (
    select * from {{ ref('stg_prices') }}
    where {{ of_market() }} and product not in ('da', 'rt', 'imbalance', 'predispatch')
),

first_versions as (
    select
        market,
        hub,
        product,
        resolution_min,
        delivery_ts,
        argMin(price_ccy_per_mwh, known_ts) as price_ccy_per_mwh,
        min(known_ts) as first_known_ts
    from prices
    group by market, hub, product, resolution_min, delivery_ts
),

of_the_day as (
    select
        calendar.market as market,
        addDays(calendar.delivery_date, 1) as delivery_date,
        calendar.local_minute as local_minute,
        first_versions.product as product,
        first_versions.hub as hub,
        first_versions.price_ccy_per_mwh as price_ccy_per_mwh,
        first_versions.first_known_ts as first_known_ts
    from calendar
    inner join first_versions
        on
            calendar.market = first_versions.market
            and calendar.delivery_ts = first_versions.delivery_ts
)

select
    of_the_day.market as market,
    of_the_day.delivery_date as delivery_date,
    of_the_day.local_minute as local_minute,
    arrayAvg({{ stable_array('of_the_day.price_ccy_per_mwh', '(of_the_day.product, of_the_day.hub)') }}) as reserve_price_lag_1d_ccy_per_mwh
from of_the_day
inner join days on of_the_day.market = days.market and of_the_day.delivery_date = days.delivery_date
where of_the_day.first_known_ts <= days.as_of
group by of_the_day.market, of_the_day.delivery_date, of_the_day.local_minute
