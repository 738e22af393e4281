"""A local HTTP server that stands in for the providers: answers in their formats, and every fault they are known for.

ENTSO-E, OASIS and EIA answers are made in the captured formats with values that follow from the delivery time (synthetic), so that what the
warehouse must hold is known; files of a folder are served as they were captured. `python -m tests.integration.live_server` serves alone.
"""

from __future__ import annotations

import gzip
import io
import json
import threading
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from math import cos, pi, sin
from pathlib import Path
from urllib.parse import parse_qs, urlsplit
from zlib import crc32

import yaml

Answer = tuple[int, dict[str, str], bytes]
HTML = b"<!DOCTYPE html><html><head><title>Scheduled maintenance</title></head><body>Please try again later</body></html>"
MAKE_15 = datetime(2025, 9, 30, 22, tzinfo=UTC)  # the market time unit is a quarter hour from 2025-10-01 (CET) on


def value(kind: str, at: datetime) -> float:
    """A price (EUR/MWh) or a quantity (MW): daily and weekly shape, no randomness."""
    hour = at.hour + at.minute / 60
    day, week = 2 * pi * hour / 24, 2 * pi * (at.timetuple().tm_yday % 7) / 7
    ripple = crc32(f"{kind}{at:%Y%m%d%H%M}".encode()) % 1000 / 100
    level = {
        "price": 60,
        "imbalance": 58,
        "load": 52_000,
        "load_forecast": 51_500,
        "wind": 12_000,
        "solar": 6_000,
        "gas": 9_000,
        "lmp": 45,
    }[kind]
    if kind == "solar":
        return round(max(0.0, level * 2 * sin(pi * (hour - 5) / 14)) if 5 < hour < 19 else 0.0, 2)
    scale = level / 60
    return round(level + scale * (18 * -cos(day) + 6 * sin(week) + ripple), 2)


@dataclass
class Fault:
    """What the server does to a request.

    Attributes:
        kind: http429, http503, html, truncated, error_body, empty, slow, utf16, cp1252, renamed, added, retyped, unit, revised, short (the last days are not there yet).
        match: part of the request line it is about.
        times: how often; -1 for always.
        skip: requests that match and go well before.
    """

    kind: str
    match: str
    times: int = 1
    skip: int = 0


@dataclass
class Provider:
    """State of the server."""

    captured: Path | None = None
    faults: list[Fault] = field(default_factory=list)
    log: list[str] = field(default_factory=list)
    served: list[tuple[str, str]] = field(default_factory=list)
    listing: bytes = b""
    documents: dict[str, bytes] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def fault_of(self, line: str) -> str:
        with self.lock:
            for fault in self.faults:
                if fault.match in line and fault.times:
                    if fault.skip:
                        fault.skip -= 1
                        continue
                    fault.times -= 1
                    return fault.kind
        return ""


def _xml(params: dict[str, str], fault: str) -> bytes:
    """An ENTSO-E document of the shape of the captured ones."""
    start, end = (datetime.strptime(params[k], "%Y%m%d%H%M").replace(tzinfo=UTC) for k in ("periodStart", "periodEnd"))
    document, process = params["documentType"], params.get("processType", "")
    end = min(end, _horizon(document, process)) - timedelta(days=20 if fault == "short" else 0)
    if document == "A80" or start >= end:
        return _acknowledgement("999", "No matching data found")
    series = {
        ("A44", ""): [("price", "", "price.amount")], ("A85", ""): [("imbalance", "", "imbalance_Price.amount")], ("A65", "A01"): [("load_forecast", "", "quantity")],
        ("A65", "A16"): [("load", "", "quantity")], ("A69", "A01"): [("wind", "B19", "quantity"), ("solar", "B16", "quantity")],
        ("A75", "A16"): [("wind", "B19", "quantity"), ("solar", "B16", "quantity"), ("gas", "B04", "quantity")],
    }[document, process]  # fmt: skip
    body = "".join(_series(kind, psr, tag, start, end, fault) for kind, psr, tag in series)
    name = "Publication" if document == "A44" else "Balancing" if document == "A85" else "GL"
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><{name}_MarketDocument xmlns="urn:iec62325.351:tc57wg16:451-3:publicationdocument:7:3"><mRID>1</mRID>'
        f"<revisionNumber>1</revisionNumber><type>{document}</type><process.processType>{process}</process.processType>"
        f"<createdDateTime>2026-01-01T00:00:00Z</createdDateTime>{body}</{name}_MarketDocument>"
    ).encode()


def _horizon(document: str, process: str) -> datetime:
    """How far rows are published: day-ahead ones to the end of tomorrow, measured ones to an hour ago."""
    now = datetime.now(UTC)
    if document in {"A44", "A69"} or process == "A01":
        return (now + timedelta(days=2)).replace(hour=22, minute=0, second=0, microsecond=0)
    return (now - timedelta(hours=1)).replace(minute=0, second=0, microsecond=0)


def _series(kind: str, psr: str, tag: str, start: datetime, end: datetime, fault: str) -> str:
    unit = (
        "<price_Measure_Unit.name>MWH</price_Measure_Unit.name><currency_Unit.name>EUR</currency_Unit.name>"
        if kind in {"price", "imbalance"}
        else ""
    )
    unit = unit or f"<quantity_Measure_Unit.name>{'KWT' if fault == 'unit' else 'MAW'}</quantity_Measure_Unit.name>"
    kinds = f"<MktPSRType><psrType>{psr}</psrType></MktPSRType><inBiddingZone_Domain.mRID>Z</inBiddingZone_Domain.mRID>" if psr else ""
    cuts = sorted({start, end, *([MAKE_15] if start < MAKE_15 < end else [])})
    periods = "".join(_period(kind, tag, a, b, fault) for a, b in pairwise(cuts))
    return f"<TimeSeries><mRID>1</mRID><businessType>A01</businessType>{unit}<curveType>A03</curveType>{kinds}{periods}</TimeSeries>"


def instants(start: datetime, end: datetime) -> Iterator[tuple[datetime, int]]:
    """Starts and lengths (minutes) of the intervals that the server publishes."""
    at = start
    while at < end:
        minutes = 15 if at >= MAKE_15 else 60
        yield at, minutes
        at += timedelta(minutes=minutes)


def _period(kind: str, tag: str, start: datetime, end: datetime, fault: str) -> str:
    minutes = 15 if start >= MAKE_15 else 60
    points, last = [], None
    for n, (at, _) in enumerate(instants(start, end), start=1):
        number = value(kind, at) + (7 if fault == "revised" else 0)
        if number != last:  # curve type A03: an equal value is not repeated
            cell = "n/a" if fault == "retyped" else f"{number:.2f}"
            points.append(f"<Point><position>{n}</position><{tag}>{cell}</{tag}></Point>")
        last = number
    ends = f"<timeInterval><start>{start:%Y-%m-%dT%H:%MZ}</start><end>{end:%Y-%m-%dT%H:%MZ}</end></timeInterval>"
    return f"<Period>{ends}<resolution>PT{minutes}M</resolution>{''.join(points)}</Period>"


def _acknowledgement(code: str, text: str) -> bytes:
    return (
        f"<Acknowledgement_MarketDocument><Reason><code>{code}</code><text>{text}</text></Reason></Acknowledgement_MarketDocument>".encode()
    )


def _oasis(params: dict[str, str], fault: str) -> bytes:
    """A zipped CSV of OASIS: day-ahead LMP of a node with its parts."""
    start, end = (datetime.strptime(params[k], "%Y%m%dT%H:%M-0000").replace(tzinfo=UTC) for k in ("startdatetime", "enddatetime"))
    if params["queryname"] != "PRC_LMP":
        return _zip(
            "invalid.xml",
            b"<m:OASISReport xmlns:m='x'><m:ERROR><m:ERR_CODE>1000</m:ERR_CODE><m:ERR_DESC>No data returned</m:ERR_DESC></m:ERROR></m:OASISReport>",
        )
    value_name = {"renamed": "PRICE"}.get(fault, "MW")
    lines = [
        f"INTERVALSTARTTIME_GMT,INTERVALENDTIME_GMT,OPR_DT,OPR_HR,NODE_ID,NODE,MARKET_RUN_ID,LMP_TYPE,XML_DATA_ITEM,{value_name},GROUP"
    ]
    lines[0] += ",NEW_COLUMN" if fault == "added" else ""
    at = start
    while at < end:
        price = value("lmp", at)
        for part, number in (("LMP", price), ("MCE", price - 2), ("MCC", 1.5), ("MCL", 0.5)):
            span = f"{at:%Y-%m-%dT%H:%M:%S}-00:00,{at + timedelta(hours=1):%Y-%m-%dT%H:%M:%S}-00:00"
            cell = f"{number:.5f}" if fault != "retyped" else "see note"
            lines.append(
                f"{span},{at:%Y-%m-%d},1,{params['node']},{params['node']},DAM,{part},LMP_PRC,{cell},1" + (",x" if fault == "added" else "")
            )
        at += timedelta(hours=1)
    return _zip("PRC_LMP_DAM.csv", ("\n".join(lines) + "\n").encode())


def _zip(name: str, body: bytes) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0)), body)
    return held.getvalue()


def _eia(params: dict[str, str]) -> bytes:
    first, last = (datetime.strptime(params[k], "%Y-%m-%d").replace(tzinfo=UTC) for k in ("start", "end"))
    days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    rows = [
        {"period": f"{d:%Y-%m-%d}", "value": 3.1 + d.day / 100, "units": "$/MMBTU"}
        for d in days
        if d.weekday() < 5 and d < datetime.now(UTC)
    ]
    return json.dumps({"response": {"total": len(rows), "data": rows}}).encode()


REFUSALS: dict[str, Answer] = {
    "http429": (429, {"Retry-After": "0"}, b"Too many requests"),
    "http503": (503, {}, b"Service unavailable"),
    "html": (200, {}, HTML),
    "empty": (200, {}, b""),
}


def _error_body(provider: str) -> bytes:
    if provider == "eia":
        return json.dumps({"error": "internal error"}).encode()
    busy = b"<m:R xmlns:m='x'><m:ERR_CODE>1015</m:ERR_CODE><m:ERR_DESC>processing</m:ERR_DESC></m:R>"
    return _zip("error.xml", busy) if provider == "caiso" else _acknowledgement("500", "Unexpected error")


def _body(path: str, params: dict[str, str], state: Provider, fault: str) -> bytes | None:
    provider, _, rest = path.strip("/").partition("/")
    if fault == "error_body":
        return _error_body(provider)
    makers: dict[str, Callable[[], bytes]] = {
        "entsoe": lambda: _xml(params, fault),
        "caiso": lambda: _oasis(params, fault),
        "eia": lambda: _eia(params),
    }
    if provider in makers:
        return makers[provider]()
    if rest == "IceDocListJsonWS":
        return state.listing
    if rest == "mirDownload":
        return state.documents[params["doclookupId"]]
    file = state.captured / rest if state.captured else None
    return file.read_bytes() if file and file.is_file() else None


def _answer(path: str, params: dict[str, str], state: Provider, fault: str) -> Answer:
    if fault in REFUSALS:
        return REFUSALS[fault]
    body = _body(path, params, state, fault)
    if body is None:
        return 404, {}, b"not found"
    if fault == "truncated":
        body = body[: len(body) * 2 // 3]
    return 200, {}, body.decode().encode("utf-16") if fault == "utf16" else body


def _handler(state: Provider) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            split = urlsplit(self.path)
            params = {k: v[0] for k, v in parse_qs(split.query).items()}
            shown = "&".join(f"{k}={v}" for k, v in sorted(params.items()) if k not in {"securityToken", "api_key"})
            line = f"{split.path}?{shown}"
            fault = state.fault_of(line)
            status, headers, body = _answer(split.path, params, state, fault)
            with state.lock:
                state.log.append(line)
                state.served.append((line, fault))
            if "gzip" in self.headers.get("Accept-Encoding", "") and body[:2] != b"PK":
                body, headers = gzip.compress(body), {**headers, "Content-Encoding": "gzip"}
            self.send_response(status)
            for name, text in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, text)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Quiet."""

    return Handler


@contextmanager
def serving(folder: Path, *, captured: Path | None = None, port: int = 0) -> Iterator[tuple[Provider, Path]]:
    """A running server, and a providers file that sends every provider to it, quick and with few retries."""
    state = Provider(captured)
    server = ThreadingHTTPServer(("127.0.0.1", port), _handler(state))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield state, providers_file(folder, server.server_address[1])
    finally:
        server.shutdown()
        server.server_close()


def providers_file(folder: Path, port: int) -> Path:
    """config/providers.yaml with other addresses, rates and pauses."""
    raw = yaml.safe_load((Path(__file__).parents[2] / "config" / "providers.yaml").read_text(encoding="utf-8"))
    raw["defaults"] |= {"retry": {"attempts": 4, "first_s": 0.01, "max_s": 0.05, "longest_wait_s": 0.1}, "refresh_min": 0, "timeout_s": 10}
    raw["defaults"]["breaker"] = {"failures": 3, "cooldown_s": 60}
    for name, entry in raw["providers"].items():
        entry |= {"base_url": f"http://127.0.0.1:{port}/{name}", "rate_per_min": 60_000}
    path = folder / "providers.yaml"
    path.write_text(yaml.safe_dump(raw), encoding="utf-8")
    return path


if __name__ == "__main__":
    import sys
    import time

    with serving(Path(sys.argv[1]), port=int(sys.argv[2])) as (_state, _file):
        sys.stdout.write(f"{_file}\n")
        sys.stdout.flush()
        time.sleep(float(sys.argv[3]) if len(sys.argv) > 3 else 3600)
