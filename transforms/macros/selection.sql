{% macro asked(name) -%}
    {#- What is being built: market, start_date, end_date. The transform step says it in the environment (by hand: --vars), and it is read when
        models are compiled, not when they are parsed: an input that changes would have dbt parse the whole project again. -#}
    {{ return(env_var('DESK_DBT_' ~ name | upper, var(name)) if execute else '') }}
{%- endmacro %}


{% macro of_market(column='market') -%}
    {#- Condition that keeps the rows of the market being built, all rows when none was asked for. -#}
    {%- if asked('market') -%} {{ column }} = '{{ asked('market') }}' {%- else -%} 1 {%- endif -%}
{%- endmacro %}


{% macro first_rebuilt_date(partition='Year') -%}
    {#- First day of the year (or Month, Week) of start_date: partitions are replaced whole. -#}
    {%- if asked('start_date') -%}
        toStartOf{{ partition }}(toDate32('{{ asked('start_date') }}'))
    {%- else -%}
        toDate32('1990-01-01')
    {%- endif -%}
{%- endmacro %}


{% macro last_rebuilt_date(partition='Year') -%}
    {#- Last day of the year (or Month, Week) of end_date when a window was asked for, else no bound. -#}
    {%- if asked('start_date') and asked('end_date') -%}
        addDays(add{{ partition }}s(toStartOf{{ partition }}(toDate32('{{ asked('end_date') }}')), 1), -1)
    {%- else -%}
        toDate32('2299-12-31')
    {%- endif -%}
{%- endmacro %}


{% macro is_rebuilt(column='delivery_date', days_before=0, partition='Year', days_after=0) -%}
    {#- Condition that keeps the delivery dates being rebuilt and, for lags, days_before days ahead of them (days_after behind them). -#}
    {{ column }} >= {{ first_rebuilt_date(partition) }} - {{ days_before }} and {{ column }} <= {{ last_rebuilt_date(partition) }}
    {%- if days_after %} + {{ days_after }} {%- endif -%}
{%- endmacro %}


{% macro is_computed(column='delivery_date', days_before=0, partition='Year', days_after=0) -%}
    {#- The same from start_date itself on: for models whose as_contract carries the earlier rows of its partition over. -#}
    {{ column }} >= {% if asked('start_date') -%} toDate32('{{ asked('start_date') }}') {%- else -%} toDate32('1990-01-01') {%- endif %}
    - {{ days_before }} and {{ column }} <= {{ last_rebuilt_date(partition) }}
    {%- if days_after %} + {{ days_after }} {%- endif -%}
{%- endmacro %}


{% macro calendar_end_date() -%}
    {#- The calendar reaches at least this delivery date, also while its prices are unknown. -#}
    {%- if asked('end_date') -%} toDate32('{{ asked('end_date') }}') {%- else -%} toDate32('1990-01-01') {%- endif -%}
{%- endmacro %}


{% macro as_contract(cte, carried='', partition='Year') -%}
    {#- Every column of the model's contract, in its order, cast to its declared type. With a date as `carried`, rows of the first partition that lie
        before start_date are taken from the table as they are: nothing that changed since its last build reaches them. -#}
    select
    {%- for column in model.columns.values() %}
        cast({{ column.name }} as {{ column.data_type }}) as {{ column.name }}{{ ',' if not loop.last }}
    {%- else %}
        *
    {%- endfor %}
    from {{ cte }}
    {%- if carried and asked('start_date') and is_incremental() %}
    union all
    select {{ model.columns.keys() | join(', ') }}
    from {{ this }}
    where
        {{ of_market() }}
        and {{ carried }} >= {{ first_rebuilt_date(partition) }}
        and {{ carried }} < toDate32('{{ asked('start_date') }}')
    {%- endif %}
{%- endmacro %}
