"""Raw answers: what came over the wire becomes members of readable text, or a fault with a name; nothing is guessed."""

from __future__ import annotations

import gzip
import io
import json
import re
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree as ET

import polars as pl

MAX_MEMBER_BYTES = 4 * 2**30
_HTML = re.compile(rb"^\s*(<!doctype html|<html)", re.IGNORECASE)
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"


class AnswerError(Exception):
    """An answer that cannot be used.

    Attributes:
        kind: html, truncated, empty, encoding, error_body, not_json, not_xml, not_csv, http_<status>, network.
        transient: whether asking again may help.
    """

    def __init__(self, kind: str, message: str, *, transient: bool = True, retry_after_s: float | None = None) -> None:
        """Keep what went wrong."""
        super().__init__(message)
        self.kind = kind
        self.transient = transient
        self.retry_after_s = retry_after_s


class NoDataError(Exception):
    """The provider says that it has nothing for the request: an empty answer, not a fault."""


@dataclass(frozen=True)
class Member:
    """One file of an answer.

    Attributes:
        name: file name in an archive; empty for a plain answer.
        body: its bytes, unpacked.
    """

    name: str
    body: bytes

    @property
    def text(self) -> str:
        """The body as text: UTF-8 (with or without mark), UTF-16 with mark, else Windows-1252.

        Raises:
            AnswerError: the bytes are no text (zero bytes without a mark).
        """
        body = self.body
        if body[:2] in (b"\xff\xfe", b"\xfe\xff"):
            return body.decode("utf-16")
        if b"\0" in body[:4096]:
            raise AnswerError("encoding", f"{self.name or 'answer'}: zero bytes where text was expected")
        try:
            return body.decode("utf-8-sig")
        except UnicodeDecodeError:
            return body.decode("cp1252", errors="replace")


def members(body: bytes, *, page: bool = False) -> list[Member]:
    """The files of an answer, archives unpacked (zip in zip too).

    Args:
        body: the answer.
        page: a web page is what was asked for.

    Raises:
        AnswerError: the answer is empty, HTML, or an archive that is cut off or damaged.
    """
    if not body.strip():
        raise AnswerError("empty", "the answer is empty")
    if not page and _HTML.match(body[:512]):
        title = re.search(rb"<title>(.*?)</title>", body[:4096], re.IGNORECASE | re.DOTALL)
        said = title.group(1).decode("utf-8", "replace").strip() if title else body[:60].decode("utf-8", "replace")
        raise AnswerError("html", f"a web page came instead of data: {said!r}")
    return list(_unpacked("", body))


def _unpacked(name: str, body: bytes) -> Iterator[Member]:
    if body[:4] == b"PK\x03\x04" and not name.endswith(".xlsx"):
        try:
            with zipfile.ZipFile(io.BytesIO(body)) as archive:
                infos = archive.infolist()
                if any(n.filename == "[Content_Types].xml" for n in infos):  # a workbook is a zip itself
                    yield Member(name, body)
                    return
                for info in infos:
                    if info.file_size > MAX_MEMBER_BYTES:
                        raise AnswerError("truncated", f"{info.filename}: {info.file_size} bytes unpacked are refused", transient=False)
                    yield from _unpacked(info.filename, archive.read(info))
        except (zipfile.BadZipFile, zlib.error, EOFError) as error:
            raise AnswerError("truncated", f"the zip archive is cut off or damaged: {error}") from error
        return
    if body[:2] == b"\x1f\x8b":
        try:
            yield Member(name.removesuffix(".gz"), gzip.decompress(body))
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise AnswerError("truncated", f"the gzip stream is cut off or damaged: {error}") from error
        return
    yield Member(name, body)


def json_of(member: Member) -> Any:
    """The JSON document of a member.

    Raises:
        AnswerError: it is no JSON, or an object that only says what went wrong (`error`, `errors`, `message`).
    """
    try:
        document = json.loads(member.text)
    except json.JSONDecodeError as error:
        raise AnswerError("not_json", f"no JSON, or cut off at character {error.pos}: {member.text[:80]!r}") from error
    if isinstance(document, dict) and not ({"response", "data", "items", "result", "Forecast"} & document.keys()):
        said = next((document[k] for k in ("error", "errors", "error_description", "message", "reason") if document.get(k)), None)
        if said:
            raise AnswerError("error_body", f"the answer is an error: {str(said)[:200]}")
    return document


def xml_of(member: Member) -> ET.Element:
    """The root of an XML member; tags lose their namespaces.

    Raises:
        AnswerError: it is no XML, cut off, or declares entities (refused).
    """
    if "<!ENTITY" in member.text or "<!DOCTYPE" in member.text:
        raise AnswerError("not_xml", "the XML declares a document type; refused", transient=False)
    text = re.sub(r"^\s*<\?xml[^>]*\?>", "", member.text, count=1)  # the declared encoding may be a wrong one
    try:
        root = ET.fromstring(text)  # noqa: S314 -- documents with a type declaration are refused above
    except ET.ParseError as error:
        raise AnswerError("not_xml", f"no XML, or cut off: {error}") from error
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
    return root


def csv_of(member: Member, *, skip_lines: int = 0, has_header: bool = True, columns: list[str] | None = None) -> pl.DataFrame:
    """A CSV member, every column as text, names and cells stripped of blanks.

    Raises:
        AnswerError: it has no header, or a line has more cells than the header (a member that was cut off inside a line has
            fewer: its last record comes out with nulls and is quarantined).
    """
    text = member.text
    body = text.encode() if member.body[:2] in (b"\xff\xfe", b"\xfe\xff") or not text.isascii() else member.body
    try:
        frame = pl.read_csv(body, infer_schema=False, skip_lines=skip_lines, has_header=has_header, new_columns=columns)
    except (pl.exceptions.ComputeError, pl.exceptions.NoDataError) as error:
        raise AnswerError("not_csv", f"{member.name or 'answer'}: no readable CSV: {str(error)[:160]}") from error
    return frame.rename({c: c.strip() for c in frame.columns})


def records_of(rows: list[dict[str, Any]]) -> pl.DataFrame:
    """JSON records as text columns; nested values as JSON."""
    names: dict[str, None] = {}
    for row in rows:
        names.update(dict.fromkeys(row))
    columns = {n: [_text(row.get(n)) for row in rows] for n in names}
    return pl.DataFrame(columns, schema=dict.fromkeys(names, pl.String))


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return repr(value) if isinstance(value, float) else json.dumps(value)


def is_workbook(member: Member) -> bool:
    """Whether a member is an Excel workbook (old or new format)."""
    return member.body[:8] == _OLE or member.body[:4] == b"PK\x03\x04"
