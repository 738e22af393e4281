"""Power beside fuels, carbon and LNG: spreads, netbacks, signals, hedges, and the effect of cargoes on prices. Pure functions of arrays."""
