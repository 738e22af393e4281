"""The Python behind the DAGs and the CLI."""
