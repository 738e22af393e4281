"""Drift and data faults: has a feature's newest day left what its own past and season allow?

`panel` shapes rows into days, `expected` foretells a day from the days before it, `likelihood` compares what came with what a
fault would have made of it, `distance` compares distributions with the same season, `thresholds` turns clean history into alarms
at a declared rate, `monitor` puts them together; `faults` makes the faults that the yardstick injects.
"""
