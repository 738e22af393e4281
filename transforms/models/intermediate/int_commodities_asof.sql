-- Last settlement of the market's fuels known at each gate: the one place where a last known value is carried, at most ten days after the
-- end of the period it holds for. Grain: market, delivery_date, commodity. As-of rule: known_ts <= as_of of the delivery date.
{{ config(order_by='(market, delivery_date, commodity)') }}

with

market_settings as (
    select
        market,
        arrayJoin([('gas', gas_hub), ('coal', coal_hub), ('co2', co2_hub), ('oil', oil_hub)]) as pair
    from {{ source('calendar', 'market_settings') }}
    where {{ of_market() }}
),

days as (
    select
        market,
        delivery_date,
        as_of
    from {{ source('calendar', 'market_days') }} where {{ of_market() }}
),

calendar_days as (
    select distinct
        market,
        delivery_date
    from {{ ref('int_market_calendar') }} where {{ of_market() }}
),

commodities as (
    select * from {{ ref('stg_commodities') }} where {{ of_market() }}
),

of_the_market as (
    select
        commodities.market as market,
        commodities.commodity as commodity,
        commodities.delivery_ts as delivery_ts,
        commodities.resolution_min as resolution_min,
        commodities.known_ts as known_ts,
        commodities.currency as currency,
        commodities.unit as unit,
        commodities.price_ccy_per_unit as price_ccy_per_unit,
        commodities.delivery_ts + toIntervalMinute(commodities.resolution_min) as period_end_ts
    from commodities
    inner join market_settings
        on
            commodities.market = market_settings.market
            and commodities.commodity = market_settings.pair.1
            and commodities.hub = market_settings.pair.2
),

with_gate as (
    select
        of_the_market.market as market,
        of_the_market.commodity as commodity,
        of_the_market.delivery_ts as delivery_ts,
        of_the_market.resolution_min as resolution_min,
        of_the_market.known_ts as known_ts,
        of_the_market.currency as currency,
        of_the_market.unit as unit,
        of_the_market.price_ccy_per_unit as price_ccy_per_unit,
        of_the_market.period_end_ts as period_end_ts,
        days.delivery_date as usable_from_date
    from of_the_market
    asof join days on of_the_market.market = days.market and of_the_market.known_ts <= days.as_of
),

carried as (
    select
        * except (usable_from_date),
        addDays(usable_from_date, arrayJoin(range(0, toUInt32(13 + intDiv(resolution_min, 1440))))) as delivery_date
    from with_gate
),

final as (
    select
        carried.market as market,
        carried.delivery_date as delivery_date,
        carried.commodity as commodity,
        argMax(carried.price_ccy_per_unit, (carried.delivery_ts, carried.known_ts)) as price_ccy_per_unit,
        argMax(carried.unit, (carried.delivery_ts, carried.known_ts)) as unit,
        argMax(carried.currency, (carried.delivery_ts, carried.known_ts)) as currency,
        max(carried.delivery_ts) as settled_ts,
        argMax(carried.known_ts, (carried.delivery_ts, carried.known_ts)) as known_ts
    from carried
    inner join days on carried.market = days.market and carried.delivery_date = days.delivery_date
    inner join calendar_days on carried.market = calendar_days.market and carried.delivery_date = calendar_days.delivery_date
    where days.as_of <= carried.period_end_ts + toIntervalDay(10)
    group by carried.market, carried.delivery_date, carried.commodity
)

{{ as_contract('final') }}
