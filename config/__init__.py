"""Configuration: the only place where a person changes numbers."""
