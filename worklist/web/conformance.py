"""The part of the DICOM conformance statement that is about web services (PS3.2 N.5.3, N.7.3)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ris.markdown import table
from worklist.conformance_form import heading
from worklist.web import json_model, xml_model
from worklist.web.access import REALM
from worklist.web.capabilities import BASE_PATH, TRANSACTIONS, WADL, Transaction
from worklist.web.exchange import SOP_CLASS
from worklist.web.negotiation import FORMS
from worklist.web.parameters import FUZZY_WARNING, MAX_FIELDS, MAX_QUERY
from worklist.web.refusal import RETRY_AFTER_SECONDS

Table = Iterable[Sequence[str]]

_SERVICES = """
The product is an origin server for the Modality Scheduled Procedure Step Service and the
Modality Performed Procedure Step Service (PS3.18 chapters 14 and 15). They are other ways to
the same worklist and the same performed steps: matching, views of devices, rules and states
are those of the DIMSE services above.
"""
_UPDATES = """
An update is also taken at `/update` behind the UID, as the examples of PS3.18 B.38 and B.39
write it.
"""
_ADDRESSES = f"""
A resource may end in a slash. `OPTIONS` or `GET` at the base gives the Capabilities
Description (8.9) to everybody, as `{WADL}` or, if asked for, as
`application/json`.
"""
_REFUSALS = f"""
A 503 names a time to try again ({RETRY_AFTER_SECONDS} s), a 429 too. The body of a refusal is a
Status Report in JSON: `status`, `message`, and where there are any `dicomStatus` and `errorID`
as DIMSE would answer, and the `attributes` at fault. A Warning header field says the same in a
line. 410 is never answered: nothing is deleted.
"""
_FORMS = """
`Accept` and the query parameter `accept`, which beats it, are weighed by their qualities. A
list of results in `application/dicom+xml` is always multipart; one dataset alone is a single
part. Each part in JSON is an array of one. The only character set is UTF-8; another one in
`charset` or `Accept-Charset` is refused with 400. (0008,0005) in an answer is that of the
DIMSE answer. Payloads may be of the same types; multipart holds one part. A private attribute
in XML may leave its block to the creator named beside it.
"""
_PARAMETERS = f"""
- An attribute is named by keyword or tag, those in sequences by a path with dots. A value
  means what it means as a key of C-FIND. A parameter that stands several times, and a
  backslash, give alternatives; UIDs may also be divided by commas.
- `includefield` names attributes, separated by commas or in several parameters; `all` is every
  attribute of the table of the worklist that is not retired. A sequence comes with all that is
  in it. Without it answers hold the attributes of return types 1, 1C, 2 and 2C, and those
  matched on.
- `limit` and `offset` page through the matches in the order of the worklist. What is left is
  told in the words of 8.3.4.4.1. No query finds more than the setting `RIS_DICOM__MATCHES`
  allows; if there are more, a Warning begins with A700.
- `fuzzymatching=true`: Warning 299, "{FUZZY_WARNING}"
  The same for `emptyvaluematching` and `multiplevaluematching`.
- A parameter that is no attribute is ignored and named in a Warning.
"""
_SECURITY = f"""
Bearer tokens (RFC 6750, realm `{REALM}`), made by `ris token add`. A token whose client is
called like the AE title of a registered device speaks for that device: its settings count as
if it had opened an association. The token stands for its certificate, its user identity and
its address; TLS it must use here too. Each search is in the query log and the audit with the
client as its caller; each create and update is kept as it came and can be applied again.
"""


def scheduled(number: str) -> list[str]:
    """The worklist, and what both services have in common."""
    search, *_ = TRANSACTIONS
    return [
        *heading(number, "Modality Scheduled Procedure Step web service"),
        *_SERVICES.strip().splitlines(),
        "",
        f"Base URI: `{BASE_PATH}` on the port of the web pages, HTTP or HTTPS, HTTP/1.1.",
        "",
        *_resources([search]),
        *_ADDRESSES.strip().splitlines(),
        "",
        *heading(f"{number}.1", "Media types and character sets"),
        *table(("media type of an answer", ""), _media_types()),
        *_FORMS.strip().splitlines(),
        "",
        *heading(f"{number}.2", "Search parameters"),
        *_PARAMETERS.strip().splitlines(),
        "",
    ]


def performed(number: str) -> list[str]:
    """The performed steps."""
    _, *others = TRANSACTIONS
    return [
        *heading(number, "Modality Performed Procedure Step web service"),
        *_resources(others),
        *_UPDATES.strip().splitlines(),
        "",
    ]


def statuses(number: str) -> list[str]:
    """The status codes of every transaction."""
    return [
        *heading(number, "DICOM web services"),
        *[line for one in TRANSACTIONS for line in _statuses(one)],
        *_REFUSALS.strip().splitlines(),
        "",
    ]


def security(number: str) -> list[str]:
    return [
        *heading(number, "Web services security features"),
        *_SECURITY.strip().splitlines(),
        "",
    ]


def limits(number: str) -> list[str]:
    return [
        *heading(number, "Scheduled and performed procedure steps: limits"),
        *table(("limit", "value"), _limits()),
    ]


def _resources(some: Sequence[Transaction]) -> list[str]:
    return table(
        ("transaction", "method and resource", "PS3.18", "like", "scope of the token"),
        (
            (one.id, f"`{one.method} /{one.path}`", one.clause, one.dimse, f"`{one.scope}`")
            for one in some
        ),
    )


def _media_types() -> Table:
    return [(f"`{one.value}`", "default" if one is FORMS[0] else "") for one in FORMS]


def _limits() -> Table:
    return [
        ("Query string", f"{MAX_QUERY} bytes, {MAX_FIELDS} parameters"),
        ("Payload", "`RIS_FHIR__BODY_BYTES`, a setting for all request bodies"),
        ("Elements of a dataset", str(SOP_CLASS.dataset_elements)),
        ("Nesting of sequences", str(SOP_CLASS.dataset_depth)),
        ("Values in JSON", f"{json_model.MAX_NODES}, {json_model.MAX_DEPTH} levels"),
        ("Elements in XML", f"{xml_model.MAX_ELEMENTS}, {xml_model.MAX_DEPTH} levels"),
        ("Not accepted", "document types and entities, bulk data by URI, compressed bodies"),
    ]


def _statuses(one: Transaction) -> list[str]:
    rows = [(str(status), words) for status, words in sorted(one.statuses.items())]
    return [f"{one.id}:", "", *table(("status", "condition"), rows)]
