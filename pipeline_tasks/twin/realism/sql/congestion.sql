-- Congestion: how often and in which direction, from the congestion component where a market publishes one, and from prices of places.
-- Grain: fact, slice, year (0 for the whole window), place. Congested: beyond a share of the mean price (config/realism.yaml).
with

{% with places = 'nodes' %}{% include '_hours.sql' %}{% endwith %},

beside as (
    select
        hub,
        toString(product) as name,
        hour_no,
        local_date,
        local_year,
        price,
        congestion,
        count() over (partition by product, hour_no) as places_now,
        uniqExact(hub) over (partition by product) as places,
        avg(price) over (partition by product, hour_no) as price_of_all,
        max(price) over (partition by product, hour_no) - min(price) over (partition by product, hour_no) as distance
    from hours
),

spans as (
    -- distances only in hours in which every place has a price
    select
        *,
        places_now = places and places > 1 as is_complete,
        arrayJoin([0, local_year]) as year
    from beside
),

scaled as (
    select
        *,
        abs(avg(price) over (partition by hub, name, year)) as mean,
        abs(avg(price) over (partition by name, year)) as mean_of_all
    from spans
),

stats as (
    select
        hub,
        name,
        year,
        count() as n,
        min(local_date) as first_date,
        max(local_date) as last_date,
        count(congestion) as n_components,
        countIf(is_complete) as n_complete,
        sum(congestion > {congested_share_of_mean:Float64} * mean) as above,
        sum(congestion < -{congested_share_of_mean:Float64} * mean) as below,
        sumIf(abs(congestion) / mean, abs(congestion) > {congested_share_of_mean:Float64} * mean) as size,
        avgIf(distance > {congested_share_of_mean:Float64} * mean_of_all, is_complete) as distant,
        quantileExactInclusiveIf(0.5)(distance / mean_of_all, is_complete) as median_distance,
        corrStableIf(price, price_of_all, is_complete) as correlation
    from scaled
    group by hub, name, year
),

facts as (
    select
        hub,
        year,
        n,
        first_date,
        last_date,
        arrayConcat(
            if(
                n_components > 0,
                [
                    ('congestion_share', name, '1', ifNull((above + below) / n_components, nan)),
                    ('congestion_positive_share', name, '1', ifNull(above / (above + below), nan)),
                    ('congestion_size', name, '1', ifNull(size / (above + below), nan))
                ],
                []
            ),
            if(
                n_complete > 0,
                [('hub_spread_share', name, '1', distant), ('hub_spread_size', name, '1', median_distance), ('hub_correlation', name, '1', correlation)],
                []
            )
        ) as found
    from stats
)

select
    f.1 as fact,
    f.2 as slice,
    f.3 as unit,
    year,
    hub,
    f.4 as x,
    n,
    first_date,
    last_date
from facts
array join found as f
