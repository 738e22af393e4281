{% macro stable_array(value, order_key) -%}
    {#- Values of a group in the order of order_key: floating point sums must not depend on threads or part order. -#}
    arrayMap(pair -> pair.2, arraySort(groupArrayIf(({{ order_key }}, assumeNotNull({{ value }})), isNotNull({{ value }}))))
{%- endmacro %}


{% macro mean_of(array) -%}
    {#- Mean of an array, null when it is empty. -#}
    if(empty({{ array }}), null, arrayAvg({{ array }}))
{%- endmacro %}


{% macro version_ranges() -%}
    {#- (first usable date, last usable date, value) of each element of `versions`, an array of (known_ts, usable_from_date, value) sorted by
        known_ts. A version that another one followed before the next gate gets an empty range. -#}
    arrayMap(
        i -> (versions[i].2, if(i = length(versions), toDate32('2299-12-31'), versions[i + 1].2 - 1), versions[i].3),
        arrayEnumerate(versions)
    )
{%- endmacro %}


{% macro one_value(condition) -%}
    {#- The value of the group that meets the condition, of several the one from the finest source intervals; null without any. -#}
    if(countIf({{ condition }}) = 0, null, argMinIf(value, source_resolution_min, {{ condition }}))
{%- endmacro %}
