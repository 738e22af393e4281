"""The embedded server of the integration tests, for contract tests that compare with live tables."""

from tests.integration.conftest import warehouse

__all__ = ["warehouse"]
