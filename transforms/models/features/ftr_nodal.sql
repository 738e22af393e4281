-- Point-in-time features of nodal prices: one decision per node, delivery interval and horizon, shortly before delivery.
-- Grain: market, hub, product (the node), delivery_ts, as_of. As-of rule: every column but the target (price_ccy_per_mwh, price_known_ts) uses
-- only rows with known_ts <= as_of, each in its first published version. A gap is a gap: no last price is older than a day.
-- Sorted by time first: a decision is about all nodes. Made anew from start_date on to the end of end_date's week; without
-- start_date wholly.
{{ config(partition_by='(market, toYYYYMMDD(toStartOfWeek(delivery_date)))', order_by='(market, delivery_ts, as_of, hub, product)') }}

{%- set of_known = ['price_last', 'price_before_1', 'price_before_2', 'price_before_5', 'price_mean_60m', 'price_std_60m', 'price_last_da'] %}
{%- set quantities = ['load', 'wind', 'solar'] %}
{%- set of_slot = ['market', 'node', 'hub', 'product', 'currency', 'delivery_ts', 'delivery_date', 'local_minute', 'dst_fold', 'resolution_min',
    'is_holiday'] %}
{%- set of_target = ['price_ccy_per_mwh', 'price_known_ts'] %}
{%- set of_day_before = ['before_price', 'before_known_ts'] %}
{%- set of_day_ahead = ['da_price', 'da_known_ts'] %}

with

market_settings as (
    select
        market,
        area,
        nodal_product,
        nodal_resolution_min,
        nodal_step_min,
        nodal_from_date,
        arrayMap(minutes -> toInt64(minutes), splitByChar(',', toString(nodal_horizons_min))) as horizons_min
    from {{ source('calendar', 'market_settings') }} where {{ of_market() }} and nodal_product != ''
),

days as (
    select * from {{ source('calendar', 'market_days') }}
    where {{ of_market() }} and {{ is_computed(days_before=1, partition='Week') }}
),

every_price as (
    select * from {{ ref('int_nodal_prices') }}
    where {{ of_market() }} and {{ is_computed('toDate32(delivery_ts)', days_before=4, partition='Week', days_after=2) }}
),

prices as (
    select * from every_price
    where (market, product) in (select tuple(of_nodes.market, of_nodes.nodal_product) from market_settings as of_nodes)
),

known as (
    select * from {{ ref('int_nodal_known') }}
),

nodes as (
    select
        market,
        node,
        any(hub) as hub,
        any(currency) as currency,
        argMax(resolution_min, delivery_ts) as resolution_min,
        min(delivery_ts) as first_ts,
        max(delivery_ts) as last_ts
    from {{ ref('int_nodal_prices') }} -- of all weeks: what a node's life is must not depend on what is rebuilt
    where {{ of_market() }} and (market, product) in (select tuple(of_nodes.market, of_nodes.nodal_product) from market_settings as of_nodes)
    group by market, node
),

lengths as (
    select distinct
        market,
        resolution_min
    from prices
    union distinct
    select distinct
        market,
        resolution_min
    from nodes
),

intervals as (
    select
        days.* except (as_of),
        lengths.resolution_min as resolution_min,
        {{ intervals_of_day('resolution_min') }}
    from days
    inner join lengths on days.market = lengths.market
),

grid as (
    select
        intervals.market as market,
        market_settings.area as area,
        market_settings.nodal_product as product,
        intervals.delivery_date as delivery_date,
        intervals.delivery_ts as delivery_ts,
        intervals.resolution_min as resolution_min,
        intervals.is_holiday as is_holiday,
        arrayMax(market_settings.horizons_min) as longest_horizon_min,
        {{ local_clock() }},
        toInt64(is_repeated) as dst_fold
    from intervals
    inner join market_settings on intervals.market = market_settings.market
    where intervals.delivery_date >= market_settings.nodal_from_date and local_minute % market_settings.nodal_step_min = 0
),

forecasts as (
    select
        quantities.market as market,
        quantities.area as area,
        quantities.quantity as quantity,
        quantities.resolution_min as resolution_min,
        quantities.known_ts as known_ts,
        quantities.value as value,
        quantities.delivery_ts + toIntervalMinute(
            arrayJoin(range(0, toUInt32(quantities.resolution_min), toUInt32(least(quantities.resolution_min, market_settings.nodal_step_min))))
        ) as piece_ts
    from {{ ref('stg_quantities') }} as quantities
    inner join market_settings on quantities.market = market_settings.market and quantities.area = market_settings.area
    where
        {{ of_market('quantities.market') }}
        and quantities.kind = 'forecast'
        and quantities.quantity in ('load', 'wind', 'solar')
        and {{ is_computed('toDate32(quantities.delivery_ts)', days_before=4, partition='Week', days_after=2) }}
),

fundamentals as (
    select
        grid.market as market,
        grid.delivery_ts as delivery_ts,
        {% for quantity in quantities %}
            if(
                countIf(forecasts.quantity = '{{ quantity }}') = 0,
                null,
                argMinIf(forecasts.value, (forecasts.resolution_min, forecasts.known_ts), forecasts.quantity = '{{ quantity }}')
            ) as {{ quantity }}_forecast_mw,
        {% endfor %}
        load_forecast_mw - coalesce(wind_forecast_mw, 0) - coalesce(solar_forecast_mw, 0) as residual_load_forecast_mw
    from grid
    inner join forecasts on grid.market = forecasts.market and grid.delivery_ts = forecasts.piece_ts
    where forecasts.known_ts <= grid.delivery_ts - toIntervalMinute(grid.longest_horizon_min)
    group by grid.market, grid.delivery_ts
),

all_day_ahead as (
    select
        *,
        min(known_ts) over (partition by market, node, toStartOfHour(delivery_ts)) as first_known_ts
    from every_price
    where product = 'da'
),

-- of an hour's day-ahead prices those published first: one published later must not hide them from earlier decisions
day_ahead as (
    select
        market,
        node,
        delivery_ts as da_ts,
        delivery_ts + toIntervalMinute(resolution_min) as da_end_ts,
        known_ts as da_known_ts,
        price_ccy_per_mwh as da_price
    from all_day_ahead
    where known_ts = first_known_ts
),

-- how long a node's intervals were; where nothing is published they are as long as its newest ones
node_hours as (
    select
        market,
        node,
        toStartOfHour(delivery_ts) as hour_ts,
        min(resolution_min) as resolution_min
    from prices
    group by market, node, hour_ts
),

slots as (
    select
        nodes.node as node,
        nodes.hub as hub,
        nodes.currency as currency,
    {% for name in of_slot if name not in ['node', 'hub', 'currency'] %}
        grid.{{ name }} as {{ name }}{{ ',' if not loop.last }}
    {% endfor %}
    from grid
    inner join nodes on grid.market = nodes.market
    left join node_hours
        on
            grid.market = node_hours.market
            and nodes.node = node_hours.node
            and toStartOfHour(grid.delivery_ts) = node_hours.hour_ts
    where
        {{ is_computed('grid.delivery_date', partition='Week') }}
        and grid.resolution_min = coalesce(node_hours.resolution_min, nodes.resolution_min)
        and grid.delivery_ts >= nodes.first_ts
        and (grid.delivery_ts <= nodes.last_ts or grid.delivery_date <= {{ calendar_end_date() }})
),

with_price as (
    select
        {% for name in of_slot %}
            slots.{{ name }} as {{ name }},
        {% endfor %}
        prices.price_ccy_per_mwh as price_ccy_per_mwh,
        prices.known_ts as price_known_ts
    from slots
    left join prices on slots.market = prices.market and slots.node = prices.node and slots.delivery_ts = prices.delivery_ts
),

with_day_before as (
    select
        {% for name in of_slot + of_target %}
            with_price.{{ name }} as {{ name }},
        {% endfor %}
        prices.price_ccy_per_mwh as before_price,
        prices.known_ts as before_known_ts
    from with_price
    left join prices
        on
            with_price.market = prices.market
            and with_price.node = prices.node
            and with_price.delivery_ts - toIntervalDay(1) = prices.delivery_ts
),

with_day_ahead as (
    select
        {% for name in of_slot + of_target + of_day_before %}
            with_day_before.{{ name }} as {{ name }},
        {% endfor %}
        if(day_ahead.da_end_ts > with_day_before.delivery_ts, day_ahead.da_price, null) as da_price,
        day_ahead.da_known_ts as da_known_ts
    from with_day_before
    asof left join day_ahead
        on
            with_day_before.market = day_ahead.market
            and with_day_before.node = day_ahead.node
            and with_day_before.delivery_ts >= day_ahead.da_ts
),

entities as (
    select
        {% for name in of_slot + of_target + of_day_before + of_day_ahead %}
            with_day_ahead.{{ name }} as {{ name }},
        {% endfor %}
        arrayJoin(market_settings.horizons_min) as horizon_min,
        with_day_ahead.delivery_ts - toIntervalMinute(horizon_min) as as_of
    from with_day_ahead
    inner join market_settings on with_day_ahead.market = market_settings.market
),

known_day_ahead as (
    select
        known.market as market,
        known.node as node,
        known.known_ts as known_ts,
        known.last_ts as last_ts,
        {% for name in of_known if name != 'price_last_da' %}
            known.{{ name }}_ccy_per_mwh as {{ name }}_ccy_per_mwh,
        {% endfor %}
        if(
            day_ahead.da_end_ts > known.last_ts and day_ahead.da_known_ts <= known.known_ts, day_ahead.da_price, null
        ) as price_last_da_ccy_per_mwh
    from known
    asof left join day_ahead on known.market = day_ahead.market and known.node = day_ahead.node and known.last_ts >= day_ahead.da_ts
),

with_known as (
    select
        {% for name in of_slot + of_target + ['horizon_min', 'as_of'] %}
            entities.{{ name }} as {{ name }},
        {% endfor %}
        if(entities.da_known_ts <= entities.as_of, entities.da_price, null) as price_da_ccy_per_mwh,
        if(entities.before_known_ts <= entities.as_of, entities.before_price, null) as price_lag_1d_ccy_per_mwh,
        if(known_day_ahead.last_ts >= entities.as_of - toIntervalDay(1), known_day_ahead.last_ts, null) as last_ts,
    {% for name in of_known %}
        if(last_ts is null, null, known_day_ahead.{{ name }}_ccy_per_mwh) as {{ name }}_ccy_per_mwh{{ ',' if not loop.last }}
    {% endfor %}
    from entities
    asof left join known_day_ahead
        on
            entities.market = known_day_ahead.market
            and entities.node = known_day_ahead.node
            and entities.as_of >= known_day_ahead.known_ts
),

with_system as (
    select
        *,
        if(
            last_ts is null,
            null,
            sum(price_last_ccy_per_mwh) over of_all_nodes / count(price_last_ccy_per_mwh) over of_all_nodes
        ) as price_system_last_ccy_per_mwh
    from with_known
    window of_all_nodes as (
        partition by market, delivery_ts, horizon_min
        order by node
        rows between unbounded preceding and unbounded following
    )
),

final as (
    select
        {% for name in of_slot + of_target + ['horizon_min', 'as_of'] if name != 'product' %}
            with_system.{{ name }} as {{ name }},
        {% endfor %}
        {% for name in of_known + ['price_da', 'price_lag_1d', 'price_system_last'] %}
            with_system.{{ name }}_ccy_per_mwh as {{ name }}_ccy_per_mwh,
        {% endfor %}
        if(with_system.node = with_system.hub, with_system.product, with_system.node) as product,
        intDiv(with_system.local_minute, 60) as local_hour,
        dateDiff('minute', with_system.last_ts, with_system.delivery_ts) as price_last_age_min,
        toInt64(abs(with_system.price_last_ccy_per_mwh - with_system.price_system_last_ccy_per_mwh) > 10) as is_apart,
        {% for quantity in quantities %}
            fundamentals.{{ quantity }}_forecast_mw as {{ quantity }}_forecast_mw,
        {% endfor %}
        fundamentals.residual_load_forecast_mw as residual_load_forecast_mw,
        fundamentals.residual_load_forecast_mw - before.residual_load_forecast_mw as residual_load_forecast_change_mw,
        toDayOfWeek(with_system.delivery_date) as day_of_week,
        toMonth(with_system.delivery_date) as month,
        toDayOfYear(with_system.delivery_date) as day_of_year
    from with_system
    left join fundamentals on with_system.market = fundamentals.market and with_system.delivery_ts = fundamentals.delivery_ts
    left join fundamentals as before
        on with_system.market = before.market and with_system.delivery_ts - toIntervalMinute(60) = before.delivery_ts
)

{{ as_contract('final', carried='delivery_date', partition='Week') }}
