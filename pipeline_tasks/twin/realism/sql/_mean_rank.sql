{#- Rank of a value within a partition; equal values share their mean rank, which rankCorr does not give them. -#}
{% macro mean_rank(value, partition) -%}
(rank() over (partition by {{ partition }} order by {{ value }}) + count() over (partition by {{ partition }} order by {{ value }})) / 2
{%- endmacro %}
