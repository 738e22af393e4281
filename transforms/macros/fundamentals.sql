{% macro forecast_quantities() -%}
    {{ return(['load', 'zonal_load', 'generation', 'wind', 'solar', 'renewables']) }}
{%- endmacro %}
