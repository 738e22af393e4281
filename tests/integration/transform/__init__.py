"""Transform tests, which share a warehouse and its builds (conftest.py)."""
