-- Facts of one family: the median over hubs, with the smallest and the largest hub; calendar years only where they are nearly whole.
select
    fact,
    slice,
    unit,
    if(year = 0, 'whole', 'year') as span,
    quantileExactInclusive(0.5)(x) as value,
    min(x) as hub_low,
    max(x) as hub_high,
    toInt64(sum(n)) as n_total,
    toDate32(min(first_date)) as window_from,
    toDate32(max(last_date)) as window_to
from (
{{ family }}
) as computed
where isFinite(x) and (year = 0 or (n >= 7000 and dateDiff('day', first_date, last_date) >= 350))
group by fact, slice, unit, year
order by fact, slice, span, window_from
settings optimize_aggregation_in_order = 1
