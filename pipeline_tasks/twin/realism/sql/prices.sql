-- Level, tails, spikes and volatility of prices.
-- Grain: fact, slice, year (0 for the whole window), hub. A spike is judged against the mean of its own calendar month.
with

{% with places = 'hubs' %}{% include '_hours.sql' %}{% endwith %},

months as (
    select
        hub,
        product,
        toStartOfMonth(local_date) as month,
        avg(price) as level,
        groupArray(price) as prices,
        arrayReduce('quantileExactInclusive(0.5)', prices) as centre,
        1.4826 * arrayReduce('quantileExactInclusive(0.5)', arrayMap(p -> abs(p - centre), prices)) as robust_sd,
        greatest(level + {spike_robust_sds:Float64} * robust_sd, {spike_level_factor:Float64} * abs(level)) as threshold
    from hours
    group by hub, product, month
),

judged as (
    select
        hours.hub as hub,
        hours.product as product,
        hours.hour_no as hour_no,
        hours.local_date as local_date,
        hours.local_year as local_year,
        hours.price as price,
        months.level as level,
        hours.price > months.threshold as is_spike
    from hours
    inner join months
        on hours.hub = months.hub and hours.product = months.product and toStartOfMonth(hours.local_date) = months.month
),

followed as (
    select
        *,
        any(hour_no) over last_hour = hour_no - 1 as follows,
        any(price) over last_hour as price_before,
        any(is_spike) over last_hour as spike_before
    from judged
    window last_hour as (partition by hub, product order by hour_no rows between 1 preceding and 1 preceding)
),

spans as (
    select
        *,
        arrayJoin([0, local_year]) as year
    from followed
),

days as (
    select
        hub,
        product,
        year,
        local_date,
        max(price) - min(price) as spread_of_day
    from spans
    group by hub, product, year, local_date
    having count() >= 23
),

ranges as (
    select
        hub,
        product,
        year,
        quantileExactInclusive(0.5)(spread_of_day) as median_range
    from days
    group by hub, product, year
),

stats as (
    select
        hub,
        product,
        year,
        count() as n,
        min(local_date) as first_date,
        max(local_date) as last_date,
        avg(price) as mean,
        stddevSampStable(price) as sd,
        quantilesExactInclusive(0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)(price) as q,
        avg(price < 0) as negative,
        sum(is_spike) as spike_hours,
        countIf(is_spike and not (follows and spike_before)) as spike_episodes,
        avgIf(price / level, is_spike) as spike_size,
        stddevSampStableIf(price - price_before, follows) as change_sd
    from spans
    group by hub, product, year
),

facts as (
    select
        stats.hub as hub,
        stats.year as year,
        n,
        first_date,
        last_date,
        toString(stats.product) as name,
        arrayConcat(
            [
                ('price_mean', name, 'ccy/MWh', mean),
                ('negative_share', name, '1', negative),
                ('spike_hours', name, '1/year', 8766 * spike_hours / n),
                ('spike_episodes', name, '1/year', 8766 * spike_episodes / n),
                ('spike_size', name, '1', spike_size),
                ('volatility', name, '1', sd / mean),
                ('hourly_change', name, '1', change_sd / mean),
                ('daily_range', name, '1', median_range / mean)
            ],
            arrayMap((level, v) -> ('price_quantile', concat(name, ' ', level), 'ccy/MWh', v), ['q01', 'q05', 'q25', 'q50', 'q75', 'q95', 'q99'], q),
            arrayMap((level, v) -> ('quantile_ratio', concat(name, ' ', level), '1', v / mean), ['q01', 'q05', 'q25', 'q50', 'q75', 'q95', 'q99'], q)
        ) as found
    from stats
    left join ranges on stats.hub = ranges.hub and stats.product = ranges.product and stats.year = ranges.year
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
