{% macro distribution_views() -%}
    {#- Names of the curated views of published forecast distributions: those with a mean and the outcome quantiles. -#}
    {%- if not execute -%} {{ return([]) }} {%- endif -%}
    {%- set found = run_query(
        "select table from system.columns where database = 'curated' and startsWith(table, 'v_') and name in"
        ~ " ('mean_ccy_per_mwh', 'q01_ccy_per_mwh', 'q50_ccy_per_mwh', 'q99_ccy_per_mwh') group by table having count() = 4 order by table"
    ) -%}
    {{ return(found.rows | map(attribute=0) | list) }}
{%- endmacro %}
