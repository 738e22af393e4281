"""Champions behind MLflow's model server: what a request reads, what it answers, how the server starts."""
