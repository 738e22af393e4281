"""lmp_nowcast: quantiles of every node's price minutes to an hour ahead."""
