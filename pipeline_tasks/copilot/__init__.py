"""Copilot: from a trader's scenario to a decision plan that another person approves, with the lineage of every number."""
