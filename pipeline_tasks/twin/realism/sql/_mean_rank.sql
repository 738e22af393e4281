{#- Rank of a value within a partition, equal values sharing their mean rank (rankCorr gives them different ones). -#}
{% macro mean_rank(value, partition) -%}
rank() over (partition by {{ partition }} order by {{ value }}) + (count() over (partition by {{ partition }}, {{ value }}) - 1) / 2
{%- endmacro %}
