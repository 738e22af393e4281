"""Participants of a market: their offers read as arrays, what is learned of them, and the market run with what was learned."""
