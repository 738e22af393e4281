-- Price against load: slope (in units of the means), rank correlations, and mean price by tenth of residual load.
-- Grain: fact, slice, year (0 for the whole window), hub. Residual load is load less wind and solar, or load where neither is published.
{% from '_mean_rank.sql' import mean_rank -%}
with

{% with places = 'hubs' %}{% include '_hours.sql' %}{% endwith %},

{% include '_system.sql' %},

pairs as (
    select
        hours.hub as hub,
        toString(hours.product) as name,
        hours.hour_no as hour_no,
        hours.local_date as local_date,
        arrayJoin([0, hours.local_year]) as year,
        hours.price as price,
        assumeNotNull(system.load) as demand,
        ifNull(system.renewables, 0) as renewable,
        demand - renewable as residual,
        system.knows_renewables as knows_renewables
    from hours
    inner join system on hours.hour_no = system.hour_no
    where system.load is not null and (system.renewables is not null or not system.knows_renewables)
),

ranked as (
    select
        *,
        {{ mean_rank('price', 'hub, name, year') }} as price_rank,
        {{ mean_rank('demand', 'hub, name, year') }} as demand_rank,
        {{ mean_rank('residual', 'hub, name, year') }} as residual_rank,
        {{ mean_rank('renewable', 'hub, name, year') }} as renewable_rank,
        toUInt8(ceil(10 * residual_rank / count() over (partition by hub, name, year))) as tenth
    from pairs
),

stats as (
    select
        hub,
        name,
        year,
        any(knows_renewables) as renewables_known,
        count() as n,
        min(local_date) as first_date,
        max(local_date) as last_date,
        avg(price) as mean,
        covarSampStable(price, demand) / varSampStable(demand) * avg(demand) / mean as slope,
        covarSampStable(price, residual) / varSampStable(residual) * avg(residual) / mean as residual_slope,
        corrStable(price_rank, demand_rank) as load_correlation,
        corrStable(price_rank, residual_rank) as residual_correlation,
        corrStable(price_rank, renewable_rank) as renewable_correlation,
        avgMap(map(tenth, price)) as tenth_means
    from ranked
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
            [('price_load_slope', name, '1', slope), ('price_load_rank', name, '1', load_correlation)],
            if(
                renewables_known,
                [
                    ('price_residual_slope', name, '1', residual_slope),
                    ('price_residual_rank', name, '1', residual_correlation),
                    ('price_renewables_rank', name, '1', renewable_correlation)
                ],
                []
            ),
            arrayMap(
                (t, v) -> ('price_by_load_tenth', concat(name, ' ', leftPad(toString(t), 2, '0')), '1', v / mean),
                mapKeys(tenth_means),
                mapValues(tenth_means)
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
