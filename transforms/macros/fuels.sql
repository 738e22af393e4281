{% macro fuels_normalised(prices, market_settings) -%}
    {#- Fuels of rows of int_commodities_asof in the market's currency per MWh of heat (allowances per t): one row per market, delivery_date. -#}
    select
        market,
        delivery_date,
        {% for fuel in ['gas', 'coal', 'oil'] %}
            anyIf(ccy_per_mwh, commodity = '{{ fuel }}') as {{ fuel }}_ccy_per_mwh,
        {% endfor %}
        anyIf(ccy_per_unit, commodity = 'co2') as co2_ccy_per_t,
        max(missing_sessions) as fuels_missing_sessions,
        max(rolled) as fuels_rolled
    from (
        select
            p.market as market,
            p.delivery_date as delivery_date,
            p.commodity as commodity,
            p.missing_sessions as missing_sessions,
            multiIf(s.currency = 'EUR', p.price_eur_per_unit, s.currency = 'USD', p.price_usd_per_unit, null) as ccy_per_unit,
            multiIf(s.currency = 'EUR', p.price_eur_per_mwh, s.currency = 'USD', p.price_usd_per_mwh, null) as ccy_per_mwh,
            ifNull(
                p.contract_date
                != lagInFrame(p.contract_date) over (
                    partition by p.market, p.commodity order by p.delivery_date rows between 1 preceding and current row
                ),
                false
            ) as rolled
        from {{ prices }} as p
        inner join {{ market_settings }} as s on p.market = s.market
    )
    group by market, delivery_date
{%- endmacro %}
