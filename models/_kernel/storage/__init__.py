"""A battery and what it is worth: asset, market rules, the two-stage program, and values of charge."""
