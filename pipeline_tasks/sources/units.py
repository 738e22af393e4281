"""Units a file may be in, and what turns them into the contract's: value * factor + add."""

from __future__ import annotations

MWH_PER_MMBTU = 0.29307107
"""International table British thermal units, rounded as energy traders do."""

CONVERSIONS: dict[tuple[str, str], tuple[float, float]] = {
    ("kW", "MW"): (1e-3, 0.0),
    ("GW", "MW"): (1e3, 0.0),
    ("MWh/h", "MW"): (1.0, 0.0),
    ("MWh/15min", "MW"): (4.0, 0.0),
    ("MWh/5min", "MW"): (12.0, 0.0),
    ("km/h", "m/s"): (1 / 3.6, 0.0),
    ("mph", "m/s"): (0.44704, 0.0),
    ("knot", "m/s"): (1852 / 3600, 0.0),
    ("degF", "degC"): (5 / 9, -160 / 9),
    ("K", "degC"): (1.0, -273.15),
    ("kJ/m2/h", "W/m2"): (1 / 3.6, 0.0),
    ("kWh", "MWh"): (1e3, 0.0),  # a price per kWh is a thousand times smaller than per MWh
    ("ct/kWh", "MWh"): (10.0, 0.0),
    ("therm", "MMBtu"): (10.0, 0.0),  # 10 therms are one MMBtu
    ("TWh", "GWh"): (1e3, 0.0),
    ("m3_lng", "GWh"): (6.8e-3, 0.0),  # 24.5 GJ per cubic metre of LNG, gross, a mean of cargoes (GIIGNL)
    ("mcm", "GWh"): (10.55, 0.0),  # million cubic metres of gas at 38 MJ/m3, gross
    ("bcf", "GWh"): (1.037e6 * MWH_PER_MMBTU / 1e3, 0.0),  # EIA: 1,037 Btu per cubic foot
}


def conversion(source: str, target: str) -> tuple[float, float]:
    """Factor and addend that turn a value in `source` into `target`.

    Raises:
        ValueError: no such conversion; the message lists the units known for the target.
    """
    if source == target:
        return 1.0, 0.0
    try:
        return CONVERSIONS[source, target]
    except KeyError:
        known = sorted(s for s, t in CONVERSIONS if t == target)
        raise ValueError(
            f"no conversion from {source!r} to {target!r}; known for {target!r}: {known}; or give `factor` and `add`"
        ) from None


ENERGY_MWH: dict[tuple[str, str], float] = {
    ("gas", "MWh"): 1.0,
    ("gas", "MMBtu"): MWH_PER_MMBTU,
    ("lng", "MWh"): 1.0,
    ("lng", "MMBtu"): MWH_PER_MMBTU,
    ("coal", "MWh"): 1.0,
    ("coal", "MMBtu"): MWH_PER_MMBTU,
    ("coal", "t"): 25.12 / 3.6,  # API2: 6,000 kcal/kg net as received
    ("oil", "bbl"): 5.8 * MWH_PER_MMBTU,  # EIA: 5.8 MMBtu per barrel of crude
    ("light_oil", "MMBtu"): MWH_PER_MMBTU,
    ("heavy_oil", "MMBtu"): MWH_PER_MMBTU,
}
"""(commodity, unit of the price) -> MWh of heat in the unit: the one place where prices of fuels become comparable."""
