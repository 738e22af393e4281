"""Nodes as vectors: shift factors, price co-movement and topology, and what they tell of a node that has hardly any prices; pure."""
