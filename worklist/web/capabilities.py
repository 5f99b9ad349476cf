"""The Retrieve Capabilities Transaction (PS3.18 8.9, Annex H): a WADL document, or plain JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from worklist.attributes import WORKLIST, Matching
from worklist.web.negotiation import FORMS, JSON, MULTIPART, XML, Form

BASE_PATH = "/dicom-web"
WADL = "application/vnd.sun.wadl+xml"
WADL_NAMESPACE = "http://wadl.dev.java.net/2009/02"
SCHEDULED = "modality-scheduled-procedure-steps"
PERFORMED = "modality-performed-procedure-steps"
PAYLOADS = (JSON, XML, f'{MULTIPART}; type="{JSON}"', f'{MULTIPART}; type="{XML}"')
_FORMS = tuple(form.value for form in FORMS if form is not Form.PLAIN_JSON)


@dataclass(frozen=True, slots=True)
class Transaction:
    """One row of what is offered; the conformance statement is made of the same rows."""

    id: str
    path: str
    method: str
    clause: str
    scope: str
    dimse: str
    parameters: tuple[str, ...]
    statuses: Mapping[int, str]
    payloads: tuple[str, ...] = ()
    answers: tuple[str, ...] = ()


_REFUSED = {
    400: "a parameter, header field or payload that makes no sense",
    401: "no valid token",
    403: "the token or its device may not do this",
}
_READ = {406: "none of the accepted media types is offered"}
_WRITTEN = {
    409: "the UID is in use",
    413: "the payload is too long",
    415: "the payload is of another media type",
    503: "busy, try again",
}

TRANSACTIONS: tuple[Transaction, ...] = (
    Transaction(
        "SearchModalityScheduledProcedureSteps",
        SCHEDULED,
        "GET",
        "14.4",
        "system/worklist.read",
        "C-FIND",
        (
            "{attribute}", "includefield", "fuzzymatching", "limit", "offset", "accept", "charset",
        ),
        {
            200: "matches, or a page of them",
            204: "no match",
            **_REFUSED,
            **_READ,
            413: "the offset is beyond what one query may find",
            429: "more queries a minute than the device may send",
            503: "busy, try again",
        },
        answers=_FORMS,
    ),
    Transaction(
        "CreateModalityPerformedProcedureStep",
        f"{PERFORMED}/{{mppsUID}}",
        "POST",
        "15.4",
        "system/mpps.write",
        "N-CREATE",
        (),
        {201: "created", **_REFUSED, **_WRITTEN},
        payloads=PAYLOADS,
    ),
    Transaction(
        "UpdateModalityPerformedProcedureStep",
        f"{PERFORMED}/{{mppsUID}}?update",
        "POST",
        "15.5",
        "system/mpps.write",
        "N-SET",
        ("update",),
        {
            200: "updated",
            **_REFUSED,
            404: "the UID is not known",
            **_WRITTEN,
            409: "the step has ended, or the change is at odds with what was said at the beginning",
        },
        payloads=PAYLOADS,
    ),
    Transaction(
        "RetrieveModalityPerformedProcedureStep",
        f"{PERFORMED}/{{mppsUID}}",
        "GET",
        "15.6",
        "system/mpps.read",
        "N-GET",
        ("includefield", "accept", "charset"),
        {
            200: "the step",
            **_REFUSED,
            404: "the UID is not known",
            **_READ,
            503: "busy, try again",
        },
        answers=_FORMS,
    ),
)  # fmt: skip


def matching_keys() -> list[str]:
    """The attributes that a search matches on, by keyword path."""
    return [row.path for row in WORKLIST if row.matching not in {Matching.NONE, Matching.SEQUENCE}]


def as_json(base: str) -> bytes:
    """The same for people and scripts that read no WADL."""
    transactions: list[dict[str, Any]] = [
        {
            "id": one.id,
            "method": one.method,
            "url": f"{base}/{one.path}",
            "reference": f"PS3.18 {one.clause}",
            "scope": one.scope,
            "parameters": list(one.parameters),
            "request": list(one.payloads),
            "response": list(one.answers),
            "statuses": {str(status): words for status, words in sorted(one.statuses.items())},
        }
        for one in TRANSACTIONS
    ]
    found = {
        "base": base,
        "charset": ["utf-8"],
        "fuzzymatching": False,
        "transactions": transactions,
        "matching": matching_keys(),
    }
    return json.dumps(found, indent=2).encode()


def as_wadl(base: str) -> bytes:
    """Annex H: one resource tree, a method for each transaction."""
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<application xmlns="{WADL_NAMESPACE}">',
        f'<resources base="{escape(base)}/">',
        f'<resource path="{SCHEDULED}">',
        *_methods(one for one in TRANSACTIONS if one.path == SCHEDULED),
        "</resource>",
        f'<resource path="{PERFORMED}">',
        '<resource path="{mppsUID}">',
        '<param name="mppsUID" style="template"/>',
        *_methods(one for one in TRANSACTIONS if one.path != SCHEDULED),
        "</resource>",
        "</resource>",
        "</resources>",
        "</application>",
        "",
    ]
    return "\n".join(lines).encode()


def _methods(transactions: Iterable[Transaction]) -> Iterable[str]:
    for one in transactions:
        yield f'<method name="{one.method}" id="{one.id}">'
        yield "<request>"
        if one.answers:
            yield from _options("Accept", "header", one.answers)
            yield from _options("Accept-Charset", "header", ("utf-8",))
        for name in _parameters(one):
            if name == "fuzzymatching":
                yield from _options(name, "query", ("false",))
            else:
                yield f'<param name="{name}" style="query"/>'
        for payload in one.payloads:
            yield f'<representation mediaType="{escape(payload)}"/>'
        yield "</request>"
        for status in sorted(one.statuses):
            yield from _response(one, status)
        yield "</method>"


def _parameters(one: Transaction) -> Iterable[str]:
    for name in one.parameters:
        yield from matching_keys() if name == "{attribute}" else (name,)


def _options(name: str, style: str, options: Sequence[str]) -> Iterable[str]:
    yield f'<param name="{name}" style="{style}" default="{escape(options[0])}">'
    for option in options:
        yield f'<option value="{escape(option)}"/>'
    yield "</param>"


def _response(one: Transaction, status: int) -> Iterable[str]:
    forms = one.answers if status == 200 else () if status < 300 else ("application/json",)
    if not forms:
        yield f'<response status="{status}"/>'
        return
    yield f'<response status="{status}">'
    for form in forms:
        yield f'<representation mediaType="{escape(form)}"/>'
    yield "</response>"
