-- Daily power beside gas, coal, carbon and oil.
-- Grain: market, hub, delivery_date. As-of rule: fuels are the last settlements known at the gate of the delivery date; power is the outcome
-- (first published prices), known at power_known_ts and not before.
{{ config(materialized='incremental', incremental_strategy='insert_overwrite', partition_by='market', order_by='(market, hub, delivery_date)') }}

with

calendar as (
    select distinct
        market,
        delivery_date,
        as_of,
        day_intervals
    from {{ ref('int_market_calendar') }}
    where {{ of_market() }}
),

market_settings as (
    select
        market,
        currency
    from {{ source('calendar', 'market_settings') }} where {{ of_market() }}
),

prices as (
    select distinct
        market,
        hub,
        delivery_ts,
        delivery_date,
        first_price_ccy_per_mwh,
        first_known_ts
    from {{ ref('int_prices_asof') }}
    where {{ of_market() }}
),

commodities as (
    select * from {{ ref('int_commodities_asof') }} where {{ of_market() }}
),

power as (
    select
        market,
        hub,
        delivery_date,
        {{ stable_array('first_price_ccy_per_mwh', 'delivery_ts') }} as prices_of_day,
        max(first_known_ts) as known_ts
    from prices
    group by market, hub, delivery_date
),

fuels as (
    select
        market,
        delivery_date,
    {% for fuel in ['gas', 'coal', 'co2', 'oil'] %}
        anyIf(toNullable(price_ccy_per_unit), commodity = '{{ fuel }}') as {{ fuel }}_price_ccy_per_unit{{ ',' if not loop.last }}
    {% endfor %}
    from commodities
    group by market, delivery_date
),

normalised as (
    {{ fuels_normalised('commodities', 'market_settings') }}
),

final as (
    select
        power.market as market,
        power.hub as hub,
        power.delivery_date as delivery_date,
        calendar.as_of as as_of,
        market_settings.currency as currency,
        length(power.prices_of_day) = calendar.day_intervals as is_whole,
        if(is_whole, arrayAvg(power.prices_of_day), null) as power_mean_ccy_per_mwh,
        if(is_whole, power.known_ts, null) as power_known_ts,
        fuels.gas_price_ccy_per_unit as gas_price_ccy_per_unit,
        fuels.coal_price_ccy_per_unit as coal_price_ccy_per_unit,
        fuels.co2_price_ccy_per_unit as co2_price_ccy_per_unit,
        fuels.oil_price_ccy_per_unit as oil_price_ccy_per_unit,
        normalised.gas_ccy_per_mwh as gas_ccy_per_mwh,
        normalised.coal_ccy_per_mwh as coal_ccy_per_mwh,
        normalised.oil_ccy_per_mwh as oil_ccy_per_mwh,
        normalised.co2_ccy_per_t as co2_ccy_per_t,
        normalised.fuels_missing_sessions as fuels_missing_sessions,
        coalesce(normalised.fuels_rolled, false) as fuels_rolled
    from power
    inner join calendar on power.market = calendar.market and power.delivery_date = calendar.delivery_date
    inner join market_settings on power.market = market_settings.market
    left join fuels on power.market = fuels.market and power.delivery_date = fuels.delivery_date
    left join normalised on power.market = normalised.market and power.delivery_date = normalised.delivery_date
)

{{ as_contract('final') }}
