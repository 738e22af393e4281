"""imbalance: spread forecasts and the hedge of a load schedule; what it answers, from what and how well is said in README.md."""
