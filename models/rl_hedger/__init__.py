"""Model rl_hedger; what it answers, from what and how well is said in README.md."""
