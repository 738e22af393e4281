{% macro generate_schema_name(custom_schema_name, node) -%}
    {#- Layers are databases: staging, intermediate, features, marts, without a developer prefix. -#}
    {{ custom_schema_name | trim if custom_schema_name else target.schema }}
{%- endmacro %}
