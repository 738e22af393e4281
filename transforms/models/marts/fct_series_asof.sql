-- Series beside power as known at each gate, for readers.
-- Grain and as-of rule: int_series_asof.
with

final as (
    select * from {{ ref('int_series_asof') }}
)

{{ as_contract('final') }}
