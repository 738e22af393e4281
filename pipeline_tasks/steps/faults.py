"""Which errors a retry may mend, and which delivery date a run's own date means."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from config.markets import resolve_market

_NEVER_BETTER = (FileNotFoundError, NotADirectoryError, IsADirectoryError, PermissionError)
_TRANSIENT_NAMES = frozenset({"OperationalError", "TransportError", "ProtocolError", "MaxRetryError"})


def is_permanent(error: BaseException) -> bool:
    """Whether a retry cannot mend the error: everything but broken connections, time-outs and busy files.

    A blocked gate, a wrong value and our own bugs are permanent, so they fail fast. Classes of client libraries are known
    by name, because this module must not import them.
    """
    if isinstance(error, _NEVER_BETTER):
        return True
    transient = isinstance(error, OSError) or any(c.__name__ in _TRANSIENT_NAMES for c in type(error).__mro__)
    return not transient


def delivery_date_of(market: str, instant: datetime) -> date:
    """Delivery date of the first gate at or after an instant (UTC): what a scheduled run decides for."""
    found = resolve_market(market).market
    day = instant.astimezone(found.zone).date()
    while found.gate(day) < instant:
        day += timedelta(days=1)
    return day
