-- Deviation of the metered load of the market's area from its day-ahead forecast, with the first delivery date whose gate saw it.
-- Grain: market, delivery_ts. As-of rule: known at the gate of D when usable_from_date <= D; known_ts is that gate, the first decision that
-- can use it. The forecast is the published one that the interval's own gate knew; where none is published, the mean of the metered loads of
-- the same local time 2, 7 and 14 days before that the gate knew: what a supplier without a forecast of its own would schedule.
{{ config(order_by='(market, delivery_ts)') }}

with

market_settings as (
    select * from {{ source('calendar', 'market_settings') }} where {{ of_market() }} and balancing_product != ''
),

days as (
    select
        market,
        delivery_date,
        as_of
    from {{ source('calendar', 'market_days') }} where {{ of_market() }}
),

loads as (
    select quantities.*
    from {{ ref('int_quantities_asof') }} as quantities
    inner join market_settings on quantities.market = market_settings.market and quantities.area = market_settings.area
    where quantities.quantity = 'load'
),

metered as (
    select
        market,
        delivery_ts,
        any(delivery_date) as metered_date,
        any(local_minute) as local_minute,
        any(dst_fold) as dst_fold,
        argMin(value, (source_resolution_min, usable_from_date)) as load_mw,
        min(usable_from_date) as first_gate_date
    from loads
    where kind = 'actual'
    group by market, delivery_ts
),

published as (
    select
        market,
        delivery_ts,
        argMin(value, source_resolution_min) as forecast_mw
    from loads
    where kind = 'forecast' and delivery_date >= usable_from_date and delivery_date <= usable_to_date
    group by market, delivery_ts
),

projected as (
    select
        market,
        local_minute,
        first_gate_date,
        load_mw,
        addDays(metered_date, arrayJoin([2, 7, 14])) as delivery_date
    from metered
    where dst_fold = 0
),

similar_days as (
    select
        market,
        delivery_date,
        local_minute,
        arrayAvg({{ stable_array('load_mw', 'first_gate_date') }}) as forecast_mw
    from projected
    where first_gate_date <= delivery_date
    group by market, delivery_date, local_minute
),

compared as (
    select
        metered.market as market,
        metered.delivery_ts as delivery_ts,
        metered.metered_date as delivery_date,
        metered.local_minute as local_minute,
        metered.dst_fold as dst_fold,
        metered.load_mw as load_mw,
        metered.first_gate_date as usable_from_date,
        if(published.forecast_mw > 0, published.forecast_mw, similar_days.forecast_mw) as forecast_mw
    from metered
    left join published on metered.market = published.market and metered.delivery_ts = published.delivery_ts
    left join similar_days
        on
            metered.market = similar_days.market
            and metered.metered_date = similar_days.delivery_date
            and metered.local_minute = similar_days.local_minute
),

final as (
    select
        compared.market as market,
        compared.delivery_ts as delivery_ts,
        compared.delivery_date as delivery_date,
        compared.local_minute as local_minute,
        compared.dst_fold as dst_fold,
        compared.load_mw / compared.forecast_mw - 1 as load_deviation_share,
        days.as_of as known_ts,
        compared.usable_from_date as usable_from_date
    from compared
    inner join days on compared.market = days.market and compared.usable_from_date = days.delivery_date
    where compared.forecast_mw > 0
)

{{ as_contract('final') }}
