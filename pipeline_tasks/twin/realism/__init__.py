"""Realism: stylised facts of the simulated market beside those of real ones, computed in the warehouse."""
