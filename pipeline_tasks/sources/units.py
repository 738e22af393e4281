"""Units a file may be in, and what turns them into the contract's: value * factor + add."""

from __future__ import annotations

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
