-- What each publication of a nodal price left known: the last price and statistics of those before it.
-- Grain: market, node, known_ts. As-of rule: a row holds from its known_ts on. Prices are taken in order of delivery; one published
-- after a later interval's is left out, so that no row rests on anything that became known after it.
{{ config(materialized='ephemeral') }}

with

market_settings as (
    select * from {{ source('calendar', 'market_settings') }} where {{ of_market() }} and nodal_product != ''
),

prices as (
    select * from {{ ref('int_nodal_prices') }}
    where
        {{ of_market() }}
        and {{ is_computed('toDate32(delivery_ts)', days_before=4, partition='Week', days_after=1) }}
        and (market, product) in (select tuple(of_nodes.market, of_nodes.nodal_product) from market_settings as of_nodes)
),

with_newest as (
    select
        *,
        max(toNullable(delivery_ts)) over in_order_of_knowledge as newest_before
    from prices
    window in_order_of_knowledge as (
        partition by market, node
        order by known_ts, delivery_ts
        rows between unbounded preceding and 1 preceding
    )
),

with_statistics as (
    select
        market,
        node,
        known_ts,
        delivery_ts as last_ts,
        price_ccy_per_mwh as price_last_ccy_per_mwh,
        {% for back in [1, 2, 5] %}
            lagInFrame(toNullable(price_ccy_per_mwh), {{ back }}) over until_now as price_before_{{ back }}_ccy_per_mwh,
        {% endfor %}
        avg(price_ccy_per_mwh) over last_hour as price_mean_60m_ccy_per_mwh,
        if(count() over last_hour < 2, null, stddevSampStable(price_ccy_per_mwh) over last_hour) as price_std_60m_ccy_per_mwh
    from with_newest
    where newest_before is null or delivery_ts > newest_before
    window
        until_now as (partition by market, node order by delivery_ts rows between unbounded preceding and current row),
        last_hour as (
            partition by market, node
            order by toUnixTimestamp(delivery_ts)
            range between 3599 preceding and current row
        )
)

select * from with_statistics
order by last_ts desc
limit 1 by market, node, known_ts
