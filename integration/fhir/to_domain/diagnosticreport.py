"""DiagnosticReport → a report that was written elsewhere (FHIR R4 10.3; IHE RAD IMR, RAD-141).

The same rules as for ORU^R01: what it becomes is bounded by how far its sender is trusted
(docs/adr/0026). Text comes from presentedForm and conclusion, coded results from result; what is
no text is kept as a document. Nothing is fetched from an address that a report names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from html.parser import HTMLParser
from typing import Any

from integration.fhir.outcome import HttpError
from integration.fhir.to_domain import datatypes, documentreference
from integration.fhir.to_domain.datatypes import Json
from integration.fhir.to_domain.documentreference import Fetch
from ris.domain.documents import Content
from ris.domain.errors import InvalidValueError
from ris.domain.result_texts import LOINCS, headings
from ris.domain.results import Observation, ResultLevel
from ris.domain.values import Code, PersonName

PATH = "DiagnosticReport"
MAX_RESULTS = 200

# DiagnosticReport.status → how far it is; whether it replaces what was final.
LEVELS: Mapping[str, tuple[ResultLevel, bool]] = {
    "partial": (ResultLevel.DRAFT, False),
    "preliminary": (ResultLevel.PRELIMINARY, False),
    "final": (ResultLevel.FINAL, False),
    "amended": (ResultLevel.FINAL, True),
    "corrected": (ResultLevel.FINAL, True),
    "appended": (ResultLevel.FINAL, True),
}
WITHDRAWN = frozenset({"entered-in-error", "cancelled"})

# An Observation of ours by its reference; None for what is not here.
Find = Callable[[str], Mapping[str, Any] | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a report says, whomever it is about."""

    level: ResultLevel
    correction: bool
    sections: dict[str, str] = field(default_factory=dict)
    observations: tuple[Observation, ...] = ()
    attachments: tuple[Content, ...] = ()
    said_at: datetime | None = None


def told(resource: Json, fetch: Fetch, find: Find) -> Told:
    datatypes.refuse_modifiers(resource, PATH)
    status = datatypes.text(resource, "status", PATH)
    if status not in LEVELS:
        raise HttpError(
            422, "business-rule", f"a report that is {status} brings no text", path=f"{PATH}.status"
        )
    level, correction = LEVELS[status]
    text, attachments = _forms(resource, fetch)
    sections = _joined(headings(text)) if text.strip() else {}
    observations = _results(resource, find, sections)
    conclusion = datatypes.text(resource, "conclusion", PATH).strip() or "; ".join(
        datatypes.words_of(concept, path)
        for concept, path in datatypes.several(resource, "conclusionCode", PATH)
    )
    if conclusion:
        sections.setdefault("impression", conclusion)
    return Told(
        level=level,
        correction=correction,
        sections=sections,
        observations=tuple(observations),
        attachments=tuple(attachments),
        said_at=datatypes.when(resource, "issued", PATH).at,
    )


def code(resource: Json) -> Code:
    """The exam, where an order has several."""
    concept = datatypes.single(resource, "code", PATH)
    return datatypes.code(concept, f"{PATH}.code") if concept else Code("")


def _joined(pieces: Iterable[tuple[str, str]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for key, piece in pieces:
        found[key] = f"{found[key]}\n{piece}" if key in found else piece
    return found


# --- presentedForm


def _forms(resource: Json, fetch: Fetch) -> tuple[str, list[Content]]:
    """The text, and the documents beside it; the same text as a page is told once."""
    texts: dict[str, list[str]] = {"text/plain": [], "text/html": []}
    others: list[Content] = []
    for element, path in datatypes.several(resource, "presentedForm", PATH):
        said = {"content": [{"attachment": element}]}
        for content in documentreference.contents(said, fetch):
            declared = datatypes.text(element, "contentType", path)
            if content.data and content.media_type in texts:
                texts[content.media_type].append(_decoded(content.data, declared, path))
            else:
                others.append(replace(content, path=path))
    plain = "\n\n".join(texts["text/plain"])
    return plain or "\n\n".join(map(plain_text, texts["text/html"])), others


def _decoded(data: bytes, content_type: str, path: str) -> str:
    charset = next(
        (
            part.partition("=")[2].strip().strip('"')
            for part in content_type.split(";")[1:]
            if part.strip().lower().startswith("charset=")
        ),
        "utf-8",
    )
    try:
        text = data.decode(charset)
    except (LookupError, UnicodeDecodeError):
        raise InvalidValueError(f"the text is not {charset[:40]}", path=f"{path}.data") from None
    return text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n").replace("\0", "")


_BLOCKS = frozenset(
    {
        "address", "article", "blockquote", "br", "dd", "div", "dl", "dt", "h1", "h2", "h3", "h4",
        "h5", "h6", "header", "footer", "hr", "li", "ol", "p", "pre", "section", "table", "tr",
        "ul",
    }
)  # fmt: skip
_UNSEEN = frozenset({"head", "script", "style", "title"})


class _Lines(HTMLParser):
    """What a page says, line by line."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.lines: list[str] = [""]
        self.unseen = 0

    def handle_starttag(self, tag: str, attrs: Sequence[tuple[str, str | None]]) -> None:
        self.unseen += tag in _UNSEEN
        if tag in _BLOCKS:
            self.lines.append("")
        elif tag in {"td", "th"}:
            self.lines[-1] += " "

    def handle_endtag(self, tag: str) -> None:
        self.unseen -= bool(tag in _UNSEEN and self.unseen)
        if tag in _BLOCKS:
            self.lines.append("")

    def handle_data(self, data: str) -> None:
        if not self.unseen:
            self.lines[-1] += data.replace("\n", " ")


def plain_text(page: str) -> str:
    """An HTML page as text; blocks are lines, and what is not shown is not told."""
    reader = _Lines()
    reader.feed(page)
    reader.close()
    lines = [" ".join(line.split()) for line in reader.lines]
    return "\n".join(line for line in lines if line)


# --- result


def _results(resource: Json, find: Find, sections: dict[str, str]) -> list[Observation]:
    """Coded results; one whose code is that of a section is its text."""
    found: list[Observation] = []
    elements = datatypes.several(resource, "result", PATH)
    if len(elements) > MAX_RESULTS:
        raise HttpError(
            422, "too-costly", f"more than {MAX_RESULTS} results", path=f"{PATH}.result"
        )
    contained = {each.get("id"): each for each in resource.get("contained", ())}
    for element, path in elements:
        reference = datatypes.text(element, "reference", path)
        inner = contained.get(reference[1:]) if reference.startswith("#") else find(reference)
        if inner is None or inner.get("status") in {"entered-in-error", "cancelled"}:
            continue
        concept = datatypes.single(inner, "code", "Observation") or {}
        said = datatypes.code(concept, "Observation.code")
        value, unit = _value(inner)
        section = LOINCS.get(said.value)
        if section and value:
            sections.setdefault(section, value)
        elif said and value:
            flags = tuple(
                datatypes.code(flag, where).value or datatypes.words_of(flag, where)
                for flag, where in datatypes.several(inner, "interpretation", "Observation")
            )
            found.append(Observation(code=said, value=value[:1000], unit=unit[:60], flags=flags))
    return found


def _value(inner: Mapping[str, Any]) -> tuple[str, str]:
    """The value in words, and its unit."""
    quantity = inner.get("valueQuantity")
    if isinstance(quantity, dict):
        number = f"{quantity.get('comparator') or ''}{quantity.get('value', '')}"
        return number, str(quantity.get("unit") or quantity.get("code") or "")
    concept = inner.get("valueCodeableConcept")
    if isinstance(concept, dict):
        return datatypes.words_of(concept, "Observation.value"), ""
    if isinstance(inner.get("valueBoolean"), bool):
        return ("yes" if inner["valueBoolean"] else "no"), ""
    for name in ("valueString", "valueInteger", "valueDateTime", "valueTime"):
        if inner.get(name) is not None:
            return str(inner[name]).strip(), ""
    return "", ""


# --- who


def interpreter(name: Json | None, known: PersonName, path: str) -> PersonName:
    """Who answers for it: as we know the person, else as the report names them."""
    if known or name is None:
        return known
    display = datatypes.text(name, "display", path)
    return datatypes.name_from_display(display, f"{path}.display") if display else PersonName()
