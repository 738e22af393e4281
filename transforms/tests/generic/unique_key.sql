{% test unique_key(model, columns) %}
-- Keys that more than one row of the market being built has.
with

rows_per_key as (
    select {{ columns | join(', ') }}, count() as row_count
    from {{ model }}
    {%- if 'market' in columns %}
    where {{ of_market() }}
    {%- endif %}
    group by {{ columns | join(', ') }}
)

select * from rows_per_key where row_count > 1
{% endtest %}
