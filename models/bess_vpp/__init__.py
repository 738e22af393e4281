"""bess_vpp: a battery between the day-ahead and the balancing market."""
