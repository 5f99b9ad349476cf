"""The FHIR profile of this system, printed from the tables that do the work (DESIGN rule 10)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import product
from typing import Any

from integration.fhir import bindings, json, systems
from integration.fhir.compartments import COMPARTMENTS
from integration.fhir.criteria import MAX_DEPTH
from integration.fhir.formats import ANSWERS, FHIR_VERSION, PATCHES
from integration.fhir.operations import OPERATIONS
from integration.fhir.outcome import TABLE
from integration.fhir.parameters import Parameter, ReferenceParameter
from integration.fhir.query import DEFAULT_COUNT, MAX_COUNT
from integration.fhir.resources import KINDS, Kind, reverse_includes
from integration.fhir.searching import MAX_INCLUDED
from integration.fhir.subscriptions.topics import TOPICS
from ris.domain.orders import OrderStatus, StepStatus
from ris.domain.reporting import ReportStatus, VersionKind
from ris.markdown import table
from ris.selectors.search.planned import AWAITED_STAGES, PLANNED_STEPS

_NOTE = "<!-- Made from the code by docs/generate.py; edit the code. -->"


def statement() -> str:
    """The whole document, Markdown."""
    parts = [
        _cover(),
        _http(),
        _resources(),
        *(_kind(KINDS[name]) for name in KINDS),
        _operations(),
        _topics(),
        _states(),
        _systems(),
        _errors(),
    ]
    return "\n\n".join("\n".join(part).strip() for part in parts) + "\n"


MANY_TYPES = 20  # more of them are not named one by one


def _operations() -> list[str]:
    rows = [
        (
            f"`${each.name}`",
            ("every type" if len(each.types) > MANY_TYPES else ", ".join(each.types))
            or "the server",
            " and ".join(
                word
                for word, is_so in (("type", each.on_type), ("instance", each.on_instance))
                if is_so
            )
            or "server",
            f"`{each.letter}`" if each.letter else "",
            each.documentation,
        )
        for each in OPERATIONS
    ]
    return ["## Operations", "", *table(("operation", "of", "on", "scope", ""), rows)]


def _topics() -> list[str]:
    rows = [(f"`{each.canonical}`", each.kind, each.documentation) for each in TOPICS.values()]
    return [
        "## Subscription topics",
        "",
        "`Subscription.criteria` is a search, or one of these (R5 Subscriptions backport 1.1.0);",
        "`backport-filter-criteria` takes every search parameter of the type. Notifications of a",
        "search are an empty `POST`, or with `channel.payload` a `PUT` of the resource below the",
        "endpoint; those of a topic are Bundles by `POST`.",
        "",
        *table(("topic", "about", "when"), rows),
    ]


def _code(words: Iterable[str]) -> str:
    return ", ".join(f"`{word}`" for word in words)


def _cover() -> list[str]:
    return [
        "# FHIR conformance",
        "",
        _NOTE,
        "",
        f"What this system serves as FHIR R4 ({FHIR_VERSION}) under `/fhir`. The same tables make",
        "the CapabilityStatement at `/fhir/metadata`. `ris conformance fhir` prints this page,",
        "`ris conformance fhir --json` the statement.",
    ]


_ACCESS = (
    "`Authorization: Bearer`; SMART scopes, version 2 (also with row filters) and 1; tokens for "
    "clients with a key of their own: SMART backend services, `[base]/token`, RS384 and ES384"
)
_REPEATING = (
    "`If-None-Exist` looks and writes in one transaction; `Idempotency-Key` gives the stored "
    "answer again; a known placer number with the same content gives the order that is there"
)
_BUNDLES = (
    "`POST [base]`, with and without slash: transaction (DELETE, POST, PUT and PATCH, GET; by need "
    "within), batch; references by `fullUrl` and by search; faults as "
    "`Bundle.entry[3].resource.ofType(ServiceRequest).code`; sizes by settings, above them 413"
)
_CONDITIONS = (
    "create (`If-None-Exist`, or the query of the POST), update, patch and delete of one "
    "(`[base]/Type?query`), read; several: 412; search and write are one serialized unit"
)
_TRANSPORT = (
    "gzip both ways; `X-Request-Id` echoed; `OPTIONS`; CORS for what is open, else for origins by "
    "setting; 429 with `Retry-After` by setting"
)
_PREFERENCES = (
    "`return=minimal`, `return=representation`, `return=OperationOutcome`, `handling=strict`"
)


def _http() -> list[str]:
    strict = "duplicate keys, control characters, NaN, empty lists and objects are refused"
    pages = f"pages of {DEFAULT_COUNT} up to {MAX_COUNT}, by cursor"
    order = "`_sort`: what has no value comes last, upward and downward, equal ones by id"
    totals = "`total` of what fits on one page, else if `_total` asks"
    beside = f"up to {MAX_INCLUDED:,} inclusions; `_include:iterate`; {totals}"
    rows = [
        ("formats", f"{_code(ANSWERS)}; `_format` beats `Accept`"),
        ("patches", f"{_code(sorted(PATCHES))}; FHIRPath Patch as Parameters, also in XML"),
        ("bundles", _BUNDLES),
        ("conditions", _CONDITIONS),
        ("access", _ACCESS),
        ("versions", "`ETag`, `If-Match`, `If-None-Match`, `If-Modified-Since`"),
        ("repeating", _REPEATING),
        ("`Prefer`", _PREFERENCES),
        ("transport", _TRANSPORT),
        ("JSON", f"UTF-8; depth {json.MAX_DEPTH}, {json.MAX_NODES:,} values; {strict}"),
        ("searches", f"{pages}; {order}; {beside}; GET and POST `_search`"),
        ("chains", f"`patient.name`, `_has:Observation:patient:code`, {MAX_DEPTH} deep at most"),
        ("several types", "`GET /?_type=A,B`, `POST /_search`"),
        ("compartments", f"{_code(COMPARTMENTS)}, as `Patient/1/ServiceRequest`, `Patient/1/*`"),
        ("parts", "`_summary` true, text, data, count; `_elements`; marked `SUBSETTED`"),
    ]
    return ["## HTTP", "", *table(("matter", "what is done"), rows)]


def _resources() -> list[str]:
    rows = [
        (f"`{name}`", _code(kind.interactions), kind.documentation) for name, kind in KINDS.items()
    ]
    return ["## Resources", "", *table(("type", "interactions", "what it is here"), rows)]


def _kind(kind: Kind) -> list[str]:
    lines = [f"### {kind.name}", ""]
    lines += table(
        ("parameter", "type", "modifiers and chains", "finds"),
        [_parameter(each) for each in kind.parameters.values()],
    )
    lines.append(f"Sorted by {_code(sorted(kind.sorts))}.")
    if kind.includes:
        lines.append(f"`_include`: {_code(sorted(kind.includes))}.")
    reverse = reverse_includes(kind.name)
    if reverse:
        lines.append(f"`_revinclude`: {_code(sorted(reverse))}.")
    if kind.unsupported:
        missing = (f"`{name}` ({why})" for name, why in sorted(kind.unsupported.items()))
        lines.append(f"Not searched by: {'; '.join(missing)}.")
    return lines


def _parameter(parameter: Parameter) -> tuple[str, str, str, str]:
    more = [f":{each}" for each in sorted(parameter.modifiers)]
    if isinstance(parameter, ReferenceParameter):
        more += [f"{parameter.name}.{chain}" for chain in parameter.chains]
    return (
        f"`{parameter.name}`",
        parameter.type,
        _code(more),
        parameter.documentation or f"`{parameter.expression}`",
    )


def _states() -> list[str]:
    return [
        "## States",
        "",
        "What is stored, and the code that is shown for it.",
        "",
        *table(
            ("order", "`ServiceRequest.status`"),
            ((status.value, f"`{bindings.ORDER_STATUS[status]}`") for status in OrderStatus),
        ),
        *table(
            ("step", *(f"`Task.status`, order {order.value}" for order in _SHOWN_ORDERS)),
            (
                (
                    step.value,
                    *(f"`{bindings.TASK_STATUS[step, order]}`" for order in _SHOWN_ORDERS),
                )
                for step in StepStatus
            ),
        ),
        *table(
            ("report", "newest version", "`DiagnosticReport.status`"),
            (
                (status.value, kind.value if kind else "none", f"`{code}`")
                for (status, kind), code in _reports().items()
            ),
        ),
        "A draft with a text is `partial`. Before anybody began a report, and before or without",
        "anything performed, the exam itself is shown:",
        "",
        *table(
            ("step", *(f"`Procedure.status`, order {order.value}" for order in _SHOWN_ORDERS)),
            (
                (
                    step.value,
                    *(f"`{bindings.PLANNED_STATUS[step, order]}`" for order in _SHOWN_ORDERS),
                )
                for step in PLANNED_STEPS
            ),
        ),
        *table(
            (
                "procedure",
                *(f"`DiagnosticReport.status`, order {order.value}" for order in _SHOWN_ORDERS),
            ),
            (
                (
                    stage.value,
                    *(f"`{bindings.AWAITED_STATUS[stage, order]}`" for order in _SHOWN_ORDERS),
                )
                for stage in AWAITED_STAGES
            ),
        ),
    ]


_SHOWN_ORDERS = (OrderStatus.ACTIVE, OrderStatus.ON_HOLD, OrderStatus.ENTERED_IN_ERROR)

# The versions a report of each state can have as its newest.
_NEWEST: Mapping[ReportStatus, tuple[VersionKind | None, ...]] = {
    ReportStatus.DRAFT: (None,),
    ReportStatus.PRELIMINARY: (VersionKind.PRELIMINARY,),
    ReportStatus.FINAL: (VersionKind.FINAL,),
    ReportStatus.AMENDED: (VersionKind.ADDENDUM, VersionKind.CORRECTION),
    ReportStatus.DISCARDED: (None,),
    ReportStatus.RETRACTED: (VersionKind.RETRACTION,),
}


def _reports() -> dict[tuple[ReportStatus, VersionKind | None], str]:
    pairs = product(ReportStatus, [None, *VersionKind])
    return {key: bindings.REPORT_STATUS[*key, False] for key in pairs if key[1] in _NEWEST[key[0]]}


def _systems() -> list[str]:
    rows: list[tuple[Any, ...]] = [
        (_code(designators), f"`{system}`") for system, designators in systems.CODE_SYSTEMS.items()
    ]
    rows += [
        ("an OID", "`urn:oid:` and the OID"),
        ("a URI", "the same URI"),
        ("any other word", f"`{systems.SCHEME}` and the word, percent-encoded"),
    ]
    return [
        "## Systems",
        "",
        "An issuer of numbers and a coding scheme have a short name, an OID or a URI in HL7 v2 and",
        f"DICOM. A short name is shown in FHIR as `{systems.ISSUER}` and the name, an OID as",
        "`urn:oid:`, a URI as it is; the code map `issuer` gives a name a URI of the site's own.",
        f"Numbers this system gave itself are of `{systems.FILLER_NUMBER}` and",
        f"`{systems.ACCESSION_NUMBER}`; DICOM UIDs are of `{systems.DICOM_UID}`, as `urn:oid:`.",
        "",
        *table(("coding scheme", "`Coding.system`"), rows),
    ]


def _errors() -> list[str]:
    return [
        "## Errors",
        "",
        "Every error is an OperationOutcome whose issues name the element (`expression`).",
        "",
        *table(
            ("error", "HTTP", "issue"),
            ((code.value, status, f"`{issue}`") for code, (status, issue) in TABLE.items()),
        ),
        "Beside these: 400 for what is no JSON or no R4, 401 without a token, 403 without the",
        "scope, 405, 406, 412 for another version or several matches, 413, 415.",
    ]
