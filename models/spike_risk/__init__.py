"""Price-spike risk: probability that the price of a delivery interval exceeds a rolling threshold known at decision time."""
