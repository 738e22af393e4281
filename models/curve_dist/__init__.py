"""curve_dist: day-ahead price curve as 21 quantiles and a mean."""
