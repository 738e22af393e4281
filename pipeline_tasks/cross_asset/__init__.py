"""Cross-commodity desk views of a market: spreads, netbacks, signals and hedges; LNG arrivals and what they do to prices."""
