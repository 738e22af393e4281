-- What each publication of an intraday price left known: the last price and statistics of those before it.
-- Grain: market, hub, known_ts. As-of rule: a row holds from its known_ts on. Prices are taken in order of delivery; one published after a
-- later interval's is left out, so that no row rests on anything that became known after it.
{{ config(materialized='ephemeral') }}

with

prices as (
    select *
    from {{ ref('int_intraday_prices') }}
    where {{ of_market() }} and {{ is_computed('toDate32(delivery_ts)', days_before=4, partition='Month', days_after=1) }}
),

with_newest as (
    select
        *,
        max(toNullable(delivery_ts)) over in_order_of_knowledge as newest_before
    from prices
    window in_order_of_knowledge as (
        partition by market, hub
        order by known_ts, delivery_ts
        rows between unbounded preceding and 1 preceding
    )
),

in_order as (
    select
        *,
        lagInFrame(toNullable(price_ccy_per_mwh)) over (
            partition by market, hub
            order by delivery_ts
            rows between 1 preceding and current row
        ) as previous_price
    from with_newest
    where newest_before is null or delivery_ts > newest_before
),

with_statistics as (
    select
        market,
        hub,
        known_ts,
        delivery_ts as last_ts,
        price_ccy_per_mwh as price_last_ccy_per_mwh,
        max(if(previous_price is null or previous_price != price_ccy_per_mwh, toNullable(delivery_ts), null)) over until_now as changed_ts,
        {% for back in [1, 2, 3, 5, 11] %}
            lagInFrame(toNullable(price_ccy_per_mwh), {{ back }}) over until_now as price_before_{{ back }}_ccy_per_mwh,
        {% endfor %}
    {% for minutes in [60, 360, 1440] %}
        avg(price_ccy_per_mwh) over last_{{ minutes }}m as price_mean_{{ minutes }}m_ccy_per_mwh,
        if(
            count() over last_{{ minutes }}m < 2,
            null,
            stddevSampStable(price_ccy_per_mwh) over last_{{ minutes }}m
        ) as price_std_{{ minutes }}m_ccy_per_mwh,
        min(price_ccy_per_mwh) over last_{{ minutes }}m as price_min_{{ minutes }}m_ccy_per_mwh,
        max(price_ccy_per_mwh) over last_{{ minutes }}m as price_max_{{ minutes }}m_ccy_per_mwh{{ ',' if not loop.last }}
    {% endfor %}
    from in_order
    window
        until_now as (partition by market, hub order by delivery_ts rows between unbounded preceding and current row),
    {% for minutes in [60, 360, 1440] %}
        last_{{ minutes }}m as (
            partition by market, hub
            order by toUnixTimestamp(delivery_ts)
            range between {{ 60 * minutes - 1 }} preceding and current row
        ){{ ',' if not loop.last }}
    {% endfor %}
)

select
    * except (changed_ts),
    least(1440, dateDiff('minute', changed_ts, last_ts)) as price_unchanged_min
from with_statistics
order by last_ts desc
limit 1 by market, hub, known_ts
