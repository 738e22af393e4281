"""Model scenario_gen; what it answers, from what and how well is said in README.md."""
