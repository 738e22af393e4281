"""Sensitivities learned from a market's prices: read what is known, learn, publish, answer."""
