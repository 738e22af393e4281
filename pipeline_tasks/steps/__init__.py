"""Steps of the pipeline: plain functions, called by DAGs and by the CLI alike; idempotent over their data interval."""
