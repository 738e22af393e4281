"""Multi-horizon intraday price forecasts; what it answers, from what and how well is said in README.md."""
