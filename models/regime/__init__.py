"""Market regime and gate; what it answers, from what and how well is said in README.md."""
