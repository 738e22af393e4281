"""The market twin: a seeded, structural simulation of a small market, so that a fresh machine needs no data."""
