"""Fetching: rate limits across processes, retries with backoff and cap, a circuit breaker, and every answer kept before it is read."""

from __future__ import annotations

import fcntl
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from urllib.parse import urlencode

import httpx
import structlog
from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt, wait_random_exponential

from pipeline_tasks.sources.live.answers import AnswerError, Member, NoDataError, members
from pipeline_tasks.sources.live.payloads import Kept, PayloadStore
from pipeline_tasks.sources.live.product import Request
from pipeline_tasks.sources.live.providers import Provider

log = structlog.get_logger(__name__)
logging.getLogger("httpx").setLevel(logging.WARNING)  # at INFO it writes whole addresses down, keys and all
Verdict = Callable[[list[Member]], None]
"""Raises `NoDataError` or `AnswerError` for an answer that says so."""


class SourceDownError(ConnectionError):
    """A provider cannot be reached, or its circuit is open."""


@dataclass
class Breaker:
    """Opens after `failures` failed requests in a row; lets one through again after `cooldown_s`."""

    failures: int
    cooldown_s: float
    failed: int = 0
    opened_at: float | None = None

    def check(self, provider: str) -> None:
        """Refuse while open.

        Raises:
            SourceDownError: the circuit is open.
        """
        if self.opened_at is not None and time.monotonic() - self.opened_at < self.cooldown_s:
            raise SourceDownError(f"{provider}: circuit open after {self.failed} failed requests; next try within {self.cooldown_s:g} s")

    def succeeded(self) -> None:
        """Close it."""
        self.failed, self.opened_at = 0, None

    def failed_once(self) -> None:
        """Count a failure; open it when there were enough."""
        self.failed += 1
        if self.failed >= self.failures:
            self.opened_at = time.monotonic()


@dataclass(frozen=True)
class Got:
    """An answer that can be read.

    Attributes:
        kept: where its body is.
        members: its files; empty where the provider has nothing.
        before: the newest earlier answer to the same request; None for the first.
        fetched: whether it came over the wire now.
    """

    kept: Kept
    members: list[Member]
    before: Kept | None
    fetched: bool


@dataclass
class Fetcher:
    """Gets answers of one provider.

    Attributes:
        provider: settings.
        store: payload store.
        folder: where processes share the time of the last request.
        key: the provider's key; empty for none.
        client: HTTP client; tests give one of their own.
        clock: the time, UTC.
        offline: answers only from the store; a request without a kept answer brings `NoDataError`.
        requests: answers that came over the wire.
    """

    provider: Provider
    store: PayloadStore
    folder: Path
    key: str = ""
    client: httpx.Client | None = None
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    offline: bool = False
    requests: int = 0
    breaker: Breaker = field(init=False)

    def __post_init__(self) -> None:
        """Make the breaker of the provider's settings."""
        self.breaker = Breaker(self.provider.breaker.failures, self.provider.breaker.cooldown_s)

    def get(self, request: Request, *, fresh_since: datetime, verdict: Verdict) -> Got:
        """The answer to a request: a kept one where it is fresh enough, else from the provider.

        Args:
            request: what to ask.
            fresh_since: a kept answer that came at or after this instant is used.
            verdict: looks at the members and says whether they are an error or nothing.

        Raises:
            AnswerError: the provider answers, but with something unusable, or refuses the request for good.
            SourceDownError: it cannot be reached, or the circuit is open.
        """
        name = f"{request.path}?{urlencode(sorted(request.params.items()))}"
        known = self.store.answers(self.provider.name, name)
        newest = known[-1] if known else None
        final = newest is not None and request.immutable and not newest.absent  # what was not there yet may have come
        if newest and (self.offline or final or newest.at >= fresh_since):
            parts = [] if newest.absent else members(self.store.body(newest), page=request.page)
            return Got(newest, parts, known[-2] if len(known) > 1 else None, fetched=False)
        if self.offline:
            raise NoDataError(f"{name}: no answer is kept")
        self.breaker.check(self.provider.name)
        try:
            body, parts = self._retried(request, verdict)
        except NoDataError:
            self.breaker.succeeded()
            kept = self.store.put(self.provider.name, name, b"", at=self.clock(), url=self._url(request), absent=True)
            return Got(kept, [], newest, fetched=True)
        except (AnswerError, httpx.HTTPError) as error:
            self.breaker.failed_once()
            if isinstance(error, AnswerError) and error.kind not in {"network", "http_429"} and not error.kind.startswith("http_5"):
                raise
            raise SourceDownError(f"{self.provider.name}: {error}") from error
        self.breaker.succeeded()
        kept = self.store.put(self.provider.name, name, body, at=self.clock(), url=self._url(request))
        return Got(kept, parts, newest, fetched=True)

    def _retried(self, request: Request, verdict: Verdict) -> tuple[bytes, list[Member]]:
        retry = self.provider.retry
        exponential = wait_random_exponential(multiplier=retry.first_s, max=retry.max_s)

        def wait(state: RetryCallState) -> float:
            error = state.outcome.exception() if state.outcome else None
            asked = error.retry_after_s if isinstance(error, AnswerError) else None
            return min(asked, retry.longest_wait_s) if asked is not None else float(exponential(state))

        policy = Retrying(
            stop=stop_after_attempt(retry.attempts),
            wait=wait,
            retry=retry_if_exception(lambda e: isinstance(e, AnswerError) and e.transient),
            reraise=True,
            before_sleep=self._say,
        )
        return policy(self._once, request, verdict)

    def _say(self, state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        log.warning("asking again", provider=self.provider.name, attempt=state.attempt_number, reason=str(error))

    def _once(self, request: Request, verdict: Verdict) -> tuple[bytes, list[Member]]:
        self._pace()
        params, headers = dict(request.params), {"User-Agent": "powerdesk", "Accept-Encoding": "gzip"}
        if self.key and self.provider.key:
            (headers if self.provider.key.sent_as == "header" else params)[self.provider.key.name] = self.key
        client = self.client or _client(self.provider.timeout_s)
        try:
            # a key never follows a redirect to another host
            answer = client.get(self._url(request, bare=True), params=params, headers=headers, follow_redirects=not self.key)
        except httpx.HTTPError as error:
            raise AnswerError("network", f"{type(error).__name__}: {_redacted(str(error), self.key)}") from error
        self.requests += 1
        _check_status(answer, request, self.key)
        parts = members(answer.content, page=request.page)
        verdict(parts)
        return answer.content, parts

    def _pace(self) -> None:
        """Keep the provider's distance between requests, over all processes of this state folder."""
        gap = 60.0 / self.provider.rate_per_min
        path = self.folder / f"{self.provider.name}.rate"
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a+", encoding="ascii") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            handle.seek(0)
            text = handle.read().strip()
            ready = float(text) + gap if text else 0.0
            pause = min(ready - time.time(), gap)  # a clock that was set back must not stop the feed
            if pause > 0:
                time.sleep(pause)
            handle.truncate(0)
            handle.write(f"{time.time():.6f}")

    def _url(self, request: Request, *, bare: bool = False) -> str:
        """The request's address, without the key."""
        whole = request.path if "://" in request.path else f"{self.provider.base_url.rstrip('/')}/{request.path.lstrip('/')}"
        return whole if bare or not request.params else f"{whole}?{urlencode(sorted(request.params.items()))}"


def _client(timeout_s: float) -> httpx.Client:
    return _CLIENTS.setdefault(timeout_s, httpx.Client(timeout=timeout_s))


_CLIENTS: dict[float, httpx.Client] = {}


def _check_status(answer: httpx.Response, request: Request, key: str) -> None:
    status = answer.status_code
    if status == httpx.codes.OK:
        return
    if status in {404, 204} and request.absent_ok:
        raise NoDataError(f"HTTP {status}: not published yet")
    said = _redacted(answer.text[:200].strip(), key)
    if status == httpx.codes.TOO_MANY_REQUESTS:
        raise AnswerError("http_429", f"HTTP 429: too many requests: {said}", retry_after_s=_retry_after(answer.headers))
    if status in {401, 403}:
        raise AnswerError(f"http_{status}", f"HTTP {status}: the key is missing, wrong or not entitled: {said}", transient=False)
    if status == httpx.codes.BAD_REQUEST and "No matching data" in answer.text:  # ENTSO-E says so with 200 or 400
        raise NoDataError("no matching data")
    raise AnswerError(f"http_{status}", f"HTTP {status}: {said}", transient=status >= 500 or status == 408)


def _retry_after(headers: Mapping[str, str]) -> float | None:
    text = headers.get("Retry-After", "").strip()
    if not text:
        return None
    if text.isdigit():
        return float(text)
    try:
        return max(0.0, (parsedate_to_datetime(text) - datetime.now(UTC)) / timedelta(seconds=1))
    except ValueError:
        return None


def _redacted(text: str, key: str) -> str:
    return text.replace(key, "***") if key else text
