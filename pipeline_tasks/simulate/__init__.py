"""Simulations a person or a DAG asks for."""
