"""A Bundle of requests, read: its entries, and what is wrong with any of them (FHIR R4 3.1.0.11).

Nothing is looked up here. All faults of all entries are told at once, each with the number of its
entry, its fullUrl and the path of the element.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

from integration.fhir import formats, gate, json
from integration.fhir.outcome import HttpError, expression, status_and_issue, words
from integration.fhir.resources import KINDS
from ris.domain.errors import ErrorCode, RisError, SeveralErrors

KINDS_OF_BUNDLE = ("transaction", "batch")
METHODS = ("DELETE", "POST", "PUT", "PATCH", "GET", "HEAD")

# Values in one bundle; a resource of usual size has some hundred.
MAX_NODES = 5_000_000
MAX_PATCH = 1024 * 1024

_TYPE = r"[A-Z][A-Za-z]{1,63}"
_ID = r"[A-Za-z0-9\-.]{1,64}"
_OF_TYPE = re.compile(_TYPE)
_OF_ONE = re.compile(f"({_TYPE})/({_ID})")
_CALL = re.compile(rf"(?:{_TYPE}/)?(?:{_ID}/)?(?:\$[A-Za-z0-9\-]{{1,64}}|_search)")
_BUNDLE = frozenset(
    {"resourceType", "id", "meta", "implicitRules", "language", "identifier", "type", "timestamp",
     "total", "link", "entry", "signature"}
)  # fmt: skip
_ENTRY = frozenset(
    {"id", "extension", "modifierExtension", "link", "fullUrl", "resource", "search", "request",
     "response"}
)  # fmt: skip
_REQUEST = {
    "ifMatch": "If-Match",
    "ifNoneExist": "If-None-Exist",
    "ifNoneMatch": "If-None-Match",
    "ifModifiedSince": "If-Modified-Since",
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry: what is asked for, and the resource that came along."""

    index: int
    method: str
    url: str  # below our base
    full_url: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    resource: Any = None

    @property
    def place(self) -> str:
        return f"Bundle.entry[{self.index}]"

    @property
    def path(self) -> str:
        return self.url.partition("?")[0]

    @property
    def kind(self) -> str:
        """The type in the address."""
        return self.path.partition("/")[0]

    @property
    def public_id(self) -> str:
        return self.path.partition("/")[2]

    @property
    def is_call(self) -> bool:
        """Whether it is an operation, or a search by form."""
        return self.method == "POST" and _CALL.fullmatch(self.path) is not None

    @property
    def writes(self) -> bool:
        return self.method not in {"GET", "HEAD"}

    @property
    def patch(self) -> Any:
        """What a PATCH is to do: JSON Patch or a merge patch as Binary, or Parameters."""
        return _patch(self.resource)

    def located(self, error: RisError) -> list[RisError]:
        """``error`` as faults of this entry."""
        errors = error.errors if isinstance(error, SeveralErrors) else [error]
        return [self._located(each) for each in errors]

    def _located(self, error: RisError) -> RisError:
        if error.code is ErrorCode.INTERNAL:
            return error
        status, issue = status_and_issue(error)
        name = f"entry {self.index}" + (f" ({self.full_url})" if self.full_url else "")
        headers = error.headers if isinstance(error, HttpError) else {}
        path = self.place_of(expression(error.path))
        return HttpError(status, issue, f"{name}: {words(error)}", path=path, headers=headers)

    def place_of(self, path: str) -> str:
        """The path in the bundle of a path in the resource."""
        kind = self.resource.get("resourceType") if isinstance(self.resource, dict) else ""
        if path.startswith("Bundle."):
            return path
        if not path or not isinstance(kind, str) or not _OF_TYPE.fullmatch(kind):
            return self.place
        if path != kind and not path.startswith((f"{kind}.", f"{kind}[")):
            return f"{self.place}.resource"  # of something contained
        return f"{self.place}.resource.ofType({kind}){path.removeprefix(kind)}"


@dataclass(frozen=True, slots=True)
class Bundle:
    """A transaction or a batch; ``faults`` are those found without looking anything up.

    Of a batch they are the faults of the entries they are listed for, and the others are done.
    """

    type: str
    entries: Sequence[Entry]
    faults: Mapping[int, Sequence[RisError]]

    @property
    def writes(self) -> bool:
        return any(each.writes for each in self.entries)

    def require_sound(self) -> None:
        """Raises all faults of all entries."""
        faults = [fault for index in sorted(self.faults) for fault in self.faults[index]]
        if faults:
            raise SeveralErrors(faults)


def read(raw: bytes, base: str, most: int, content_type: str = "") -> Bundle:
    """The bundle in a body; raises HttpError for one that is none."""
    found = formats.read_body(content_type, raw, nodes=MAX_NODES)
    return read_value(found, base, most)


def read_value(found: Any, base: str, most: int) -> Bundle:
    kind, entries = _envelope(found, most)
    faults: dict[int, list[RisError]] = {}
    sound: list[Entry] = []
    seen: dict[str, int] = {}
    for index, value in enumerate(entries):
        try:
            entry = _entry(index, value, base)
        except RisError as error:
            faults[index] = error.errors if isinstance(error, SeveralErrors) else [error]
            continue
        own = [*_structure(entry), *(_repeated(entry, seen) if kind == "transaction" else ())]
        if own:
            faults[index] = own
        sound.append(entry)
    return Bundle(kind, sound, faults)


def _envelope(found: Any, most: int) -> tuple[str, list[Any]]:
    said = found.get("resourceType") if isinstance(found, dict) else None
    if said != "Bundle":
        raise HttpError(400, "invalid", f"a Bundle is posted here, not {str(said)[:64]!r}")
    for name in found:
        if name.removeprefix("_") not in _BUNDLE:
            raise HttpError(400, "structure", "R4 has no such element here", path=_below(name))
    if found.get("implicitRules"):
        raise HttpError(422, "not-supported", "not understood", path="Bundle.implicitRules")
    kind = found.get("type")
    if kind not in KINDS_OF_BUNDLE:
        raise HttpError(
            422 if isinstance(kind, str) else 400,
            "not-supported" if isinstance(kind, str) else "required",
            f"a Bundle is a transaction or a batch here, not {str(kind)[:64]!r}",
            path="Bundle.type",
        )
    entries = found.get("entry", [])
    if not isinstance(entries, list) or ("entry" in found and not entries):
        raise HttpError(400, "structure", "must be a list that is not empty", path="Bundle.entry")
    if len(entries) > most:
        raise HttpError(
            413,
            "too-costly",
            f"{len(entries)} entries are more than the {most} this server takes at once",
            path="Bundle.entry",
        )
    return str(kind), entries


def _below(name: str) -> str:
    return f"Bundle.{name}" if re.fullmatch(r"[a-z_]\w{0,63}", name) else "Bundle"


def _entry(index: int, value: Any, base: str) -> Entry:
    place = f"Bundle.entry[{index}]"
    if not isinstance(value, dict):
        raise HttpError(400, "structure", f"entry {index}: must be an object", path=place)
    full_url = value.get("fullUrl", "")
    name = f"entry {index}" + (f" ({full_url})" if isinstance(full_url, str) and full_url else "")

    def fault(status: int, code: str, message: str, path: str) -> HttpError:
        return HttpError(status, code, f"{name}: {message}", path=f"{place}{path}")

    faults: list[RisError] = [
        fault(400, "structure", "R4 has no such element here", "")
        for each in value
        if each.removeprefix("_") not in _ENTRY
    ]
    if value.get("modifierExtension"):
        faults.append(fault(400, "not-supported", "not understood", ".modifierExtension"))
    if not isinstance(full_url, str) or len(full_url) > 2000:
        faults.append(fault(400, "structure", "must be a URI", ".fullUrl"))
        full_url = ""
    request = value.get("request")
    if not isinstance(request, dict):
        faults.append(fault(400, "required", "an entry needs its request", ".request"))
        raise SeveralErrors(faults)
    method, url = request.get("method"), request.get("url")
    if method not in METHODS:
        faults.append(
            fault(400, "code-invalid", f"is none of {', '.join(METHODS)}", ".request.method")
        )
    address = _address(url, base) if isinstance(url, str) else ""
    if not address:
        faults.append(fault(400, "invalid", "is no address below this base", ".request.url"))
    headers = {}
    for element, header in _REQUEST.items():
        said = request.get(element)
        if said is None:
            continue
        if not isinstance(said, str) or any(char in said for char in "\r\n"):
            faults.append(fault(400, "structure", "must be a text", f".request.{element}"))
        else:
            headers[header] = _http_date(said) if element == "ifModifiedSince" else said
    resource = value.get("resource")
    if resource is not None and not isinstance(resource, dict):
        faults.append(fault(400, "structure", "must be a resource", ".resource"))
    if faults:
        raise SeveralErrors(faults)
    return Entry(index, str(method), address, full_url, headers, resource)


def _address(url: str, base: str) -> str:
    """The address below our base; empty for one that is not there."""
    found = url.strip().removeprefix(f"{base}/")
    if "://" in found.partition("?")[0] or any(char.isspace() for char in found):
        return ""
    return found.lstrip("/")


def _http_date(text: str) -> str:
    """An instant as HTTP writes dates; what is none is passed on, and ignored as such."""
    try:
        at = datetime.fromisoformat(text)
        return format_datetime(at.astimezone(UTC), usegmt=True) if at.tzinfo else text
    except (ValueError, OverflowError):
        return text


def _repeated(entry: Entry, seen: dict[str, int]) -> Iterable[RisError]:
    """Invariant bdl-7: what entries are called by is called so once."""
    if entry.full_url and entry.writes:
        first = seen.setdefault(entry.full_url, entry.index)
        if first != entry.index:
            yield HttpError(
                400,
                "invariant",
                f"entry {entry.index} ({entry.full_url}): entry {first} has the same fullUrl",
                path=f"{entry.place}.fullUrl",
            )


def _structure(entry: Entry) -> Iterable[RisError]:
    """What is wrong with the address and the resource of an entry."""
    if not entry.writes or entry.is_call:
        return
    of_type = _OF_TYPE.fullmatch(entry.path) is not None
    query = "?" in entry.url
    of_one = _OF_ONE.fullmatch(entry.path) is not None
    if entry.method == "POST":
        if not of_type:
            yield from entry.located(_wrong_address(entry, "the type"))
            return
    elif not (of_one or (of_type and query)):
        yield from entry.located(_wrong_address(entry, "the type and the id, or a condition"))
        return
    if entry.method == "DELETE":
        return
    if entry.resource is None:
        yield from entry.located(
            HttpError(400, "required", "the resource is missing", path=f"{entry.place}.resource")
        )
        return
    try:
        if entry.method == "PATCH":
            _ = entry.patch
        else:
            _check(entry, of_one=of_one)
    except RisError as error:
        yield from entry.located(error)


def _check(entry: Entry, *, of_one: bool) -> None:
    if entry.kind not in KINDS:
        raise HttpError(
            422,
            "not-supported",
            f"there are no {entry.kind} resources here",
            path=f"{entry.place}.request.url",
        )
    gate.check_entry(entry.kind, entry.resource)
    if entry.method == "PUT" and of_one and entry.resource.get("id") != entry.public_id:
        raise HttpError(
            400,
            "invalid",
            "the id in the resource is not that of the address",
            path=f"{entry.kind}.id",
        )


def _wrong_address(entry: Entry, wanted: str) -> HttpError:
    return HttpError(
        400, "invalid", f"{entry.method} needs {wanted}", path=f"{entry.place}.request.url"
    )


def _patch(resource: Any) -> Any:
    kind = resource.get("resourceType") if isinstance(resource, dict) else None
    if kind == "Parameters":
        return resource
    if kind != "Binary":
        raise HttpError(400, "invalid", "a patch is a Binary or Parameters")
    media_type = formats.require_body_type(str(resource.get("contentType", "")), formats.PATCHES)
    data = resource.get("data", "")
    if not isinstance(data, str) or len(data) > MAX_PATCH:
        raise HttpError(400, "structure", "must be base64", path="Binary.data")
    try:
        raw = base64.b64decode("".join(data.split()), validate=True)
    except (binascii.Error, ValueError):
        raise HttpError(400, "structure", "must be base64", path="Binary.data") from None
    found = json.read(raw)
    if media_type == formats.JSON_PATCH and not isinstance(found, list):
        raise HttpError(400, "structure", "a JSON Patch is a list of operations")
    return found
