"""unit_commit: probabilities that generating units are online, start and stop, and their ramps."""
