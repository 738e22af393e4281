"""Vectors of a market's nodes: read what is known, learn, publish, search."""
