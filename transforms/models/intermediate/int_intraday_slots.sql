-- Every delivery interval of the intraday product with its calendar, its price, and what was known of it at the earliest decision for it.
-- Grain: market, hub, product, delivery_ts. As-of rule: all but price and known_ts were known longest_horizon_min before delivery.
-- Lags follow the local clock: the hour that a 23-hour day lacks has none, of a repeated hour the first one counts.
-- Made anew from start_date on, as int_intraday_prices; the grid reaches a week further back for lags.
{{ config(partition_by='(market, toYYYYMM(delivery_date))', order_by='(market, hub, delivery_ts)') }}

{%- set quantities = ['load', 'wind', 'solar'] %}
{%- set of_grid = ['market', 'hub', 'product', 'area', 'currency', 'delivery_ts', 'delivery_date', 'local_minute', 'resolution_min', 'is_holiday'] %}

with

market_settings as (
    select * from {{ source('calendar', 'market_settings') }} where {{ of_market() }} and intraday_product != ''
),

days as (
    select * from {{ source('calendar', 'market_days') }} where {{ of_market() }} and {{ is_computed(days_before=7, partition='Month') }}
),

prices as (
    select * from {{ ref('int_intraday_prices') }} where {{ of_market() }}
),

da_prices as (
    select *
    from {{ ref('stg_prices') }}
    where
        {{ of_market() }}
        and product = 'da'
        and {{ is_computed('toDate32(delivery_ts)', days_before=2, partition='Month', days_after=1) }}
),

forecasts as (
    select *
    from {{ ref('stg_quantities') }}
    where
        {{ of_market() }}
        and kind = 'forecast'
        and quantity in ('load', 'wind', 'solar')
        and {{ is_computed('toDate32(delivery_ts)', days_before=2, partition='Month', days_after=1) }}
),

hubs as (
    select
        market,
        hub,
        any(prices.product) as product,
        argMax(prices.resolution_min, prices.delivery_ts) as resolution_min,
        min(prices.resolution_min) as finest_min,
        argMin(prices.delivery_date, (prices.resolution_min, prices.delivery_ts)) as finest_from_date,
        any(prices.longest_horizon_min) as longest_horizon_min,
        min(prices.delivery_ts) as first_ts,
        max(prices.delivery_ts) as last_ts
    from prices
    group by market, hub
),

day_resolutions as (
    select
        market,
        hub,
        delivery_date,
        any(resolution_min) as resolution_min
    from prices
    group by market, hub, delivery_date
),

hub_days as (
    select
        days.market as market,
        days.delivery_date as delivery_date,
        days.day_start_ts as day_start_ts,
        days.day_end_ts as day_end_ts,
        days.utc_offset_start_min as utc_offset_start_min,
        days.utc_offset_end_min as utc_offset_end_min,
        days.offset_change_ts as offset_change_ts,
        days.is_holiday as is_holiday,
        hubs.hub as hub,
        hubs.product as product,
        coalesce(day_resolutions.resolution_min, hubs.resolution_min) as resolution_min,
        hubs.longest_horizon_min as longest_horizon_min,
        market_settings.currency as currency,
        market_settings.area as area
    from days
    inner join hubs on days.market = hubs.market
    inner join market_settings on days.market = market_settings.market
    left join day_resolutions
        on
            days.market = day_resolutions.market
            and hubs.hub = day_resolutions.hub
            and days.delivery_date = day_resolutions.delivery_date
    where
        days.day_end_ts > hubs.first_ts
        and (days.day_start_ts <= hubs.last_ts or days.delivery_date <= {{ calendar_end_date() }})
),

intervals as (
    select
        *,
        {{ intervals_of_day('resolution_min') }}
    from hub_days
),

grid as (
    select
        *,
        {{ local_clock() }},
        delivery_ts - toIntervalMinute(longest_horizon_min) as earliest_as_of
    from intervals
),

priced_slots as (
    select
        grid.market as market,
        grid.hub as hub,
        grid.delivery_date as delivery_date,
        grid.local_minute as slot_minute,
        prices.price_ccy_per_mwh as price_ccy_per_mwh,
        prices.known_ts as known_ts,
        grid.resolution_min > hubs.finest_min and grid.delivery_date >= hubs.finest_from_date - 8 as is_cut,
        -- in the week before a hub's intervals became finer, each price holds in the finer intervals it covers
        slot_minute + arrayJoin(range(0, toUInt32(if(is_cut, grid.resolution_min, 1)), toUInt32(hubs.finest_min))) as local_minute
    from grid
    inner join prices on grid.market = prices.market and grid.hub = prices.hub and grid.delivery_ts = prices.delivery_ts
    inner join hubs on grid.market = hubs.market and grid.hub = hubs.hub
    where not grid.is_repeated
),

projected as (
    select
        market,
        hub,
        local_minute,
        price_ccy_per_mwh,
        known_ts,
        arrayJoin(range(1, 8)) as days_back,
        addDays(delivery_date, days_back) as delivery_date
    from priced_slots
),

lags as (
    select
        grid.market as market,
        grid.hub as hub,
        grid.delivery_ts as delivery_ts,
        anyIf(toNullable(projected.price_ccy_per_mwh), projected.days_back = 1) as price_lag_1d_ccy_per_mwh,
        anyIf(toNullable(projected.price_ccy_per_mwh), projected.days_back = 7) as price_lag_7d_ccy_per_mwh,
        {{ stable_array('projected.price_ccy_per_mwh', 'projected.days_back') }} as prices_7d
    from grid
    inner join projected
        on
            grid.market = projected.market
            and grid.hub = projected.hub
            and grid.delivery_date = projected.delivery_date
            and grid.local_minute = projected.local_minute
    where projected.known_ts <= grid.earliest_as_of and {{ is_computed('grid.delivery_date', partition='Month') }}
    group by grid.market, grid.hub, grid.delivery_ts
),

steps as (
    select
        market,
        min(resolution_min) as step_min
    from prices
    group by market
),

da_pieces as (
    select
        da_prices.market as market,
        da_prices.hub as hub,
        da_prices.resolution_min as resolution_min,
        da_prices.known_ts as known_ts,
        da_prices.price_ccy_per_mwh as price_ccy_per_mwh,
        {{ pieces_of('da_prices') }} as piece_ts
    from da_prices
    inner join steps on da_prices.market = steps.market
),

forecast_pieces as (
    select
        forecasts.market as market,
        forecasts.area as area,
        forecasts.quantity as quantity,
        forecasts.resolution_min as resolution_min,
        forecasts.known_ts as known_ts,
        forecasts.value as value,
        {{ pieces_of('forecasts') }} as piece_ts
    from forecasts
    inner join steps on forecasts.market = steps.market
),

day_ahead as (
    select
        grid.market as market,
        grid.hub as hub,
        grid.delivery_ts as delivery_ts,
        argMin(da_pieces.price_ccy_per_mwh, (da_pieces.resolution_min, da_pieces.known_ts)) as price_da_ccy_per_mwh
    from grid
    inner join da_pieces on grid.market = da_pieces.market and grid.hub = da_pieces.hub and grid.delivery_ts = da_pieces.piece_ts
    where da_pieces.known_ts <= grid.earliest_as_of
    group by grid.market, grid.hub, grid.delivery_ts
),

area_grid as (
    select distinct
        market,
        area,
        delivery_ts,
        earliest_as_of
    from grid
),

fundamentals as (
    select
        area_grid.market as market,
        area_grid.area as area,
        area_grid.delivery_ts as delivery_ts,
        {% for quantity in quantities %}
            if(
                countIf(forecast_pieces.quantity = '{{ quantity }}') = 0,
                null,
                argMinIf(
                    forecast_pieces.value,
                    (forecast_pieces.resolution_min, forecast_pieces.known_ts),
                    forecast_pieces.quantity = '{{ quantity }}'
                )
            ) as {{ quantity }}_forecast_mw,
        {% endfor %}
        load_forecast_mw - coalesce(wind_forecast_mw, 0) - coalesce(solar_forecast_mw, 0) as residual_load_forecast_mw
    from area_grid
    inner join forecast_pieces
        on
            area_grid.market = forecast_pieces.market
            and area_grid.area = forecast_pieces.area
            and area_grid.delivery_ts = forecast_pieces.piece_ts
    where forecast_pieces.known_ts <= area_grid.earliest_as_of
    group by area_grid.market, area_grid.area, area_grid.delivery_ts
),

final as (
    select
        {% for name in of_grid %}
            grid.{{ name }} as {{ name }},
        {% endfor %}
        toInt64(grid.is_repeated) as dst_fold,
        prices.price_ccy_per_mwh as price_ccy_per_mwh,
        prices.known_ts as price_known_ts,
        lags.price_lag_1d_ccy_per_mwh as price_lag_1d_ccy_per_mwh,
        lags.price_lag_7d_ccy_per_mwh as price_lag_7d_ccy_per_mwh,
        {{ mean_of('lags.prices_7d') }} as price_slot_mean_7d_ccy_per_mwh,
        day_ahead.price_da_ccy_per_mwh as price_da_ccy_per_mwh,
        fundamentals.load_forecast_mw as load_forecast_mw,
        fundamentals.wind_forecast_mw as wind_forecast_mw,
        fundamentals.solar_forecast_mw as solar_forecast_mw,
        fundamentals.residual_load_forecast_mw as residual_load_forecast_mw
    from grid
    left join prices on grid.market = prices.market and grid.hub = prices.hub and grid.delivery_ts = prices.delivery_ts
    left join lags on grid.market = lags.market and grid.hub = lags.hub and grid.delivery_ts = lags.delivery_ts
    left join day_ahead on grid.market = day_ahead.market and grid.hub = day_ahead.hub and grid.delivery_ts = day_ahead.delivery_ts
    left join fundamentals
        on
            grid.market = fundamentals.market
            and grid.area = fundamentals.area
            and grid.delivery_ts = fundamentals.delivery_ts
    where {{ is_computed('grid.delivery_date', partition='Month') }}
)

{{ as_contract('final', carried='delivery_date', partition='Month') }}
