"""Airflow DAGs: thin, generated from the model registry."""
