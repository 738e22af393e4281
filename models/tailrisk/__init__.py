"""tailrisk: price tails, expected capped shortfall and spike alarms; what it answers, from what and how well is said in README.md."""
