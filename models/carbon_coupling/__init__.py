"""Carbon in the power price and its hedge; what it answers, from what and how well is said in README.md."""
