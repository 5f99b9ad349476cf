"""An MRRT file becomes a template, or a list of its faults with their lines.

Nothing of a file is kept as markup: text, names, ranges and codes are taken out of it, and the file
is forgotten.
"""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date
from decimal import Decimal

from ris.domain.errors import RisError
from ris.domain.mrrt import (
    ACTIONS,
    FIELD_TYPES,
    LARGEST,
    MERGES,
    MODALITIES,
    MUST_SAY,
    SHOULD_SAY,
    TYPE,
    Fault,
    Reading,
    section_of,
)
from ris.domain.mrrt_island import Island, read_island
from ris.domain.mrrt_parsing import ONCE, SaidField, SaidSection, TemplateFile
from ris.domain.report_fields import Choice, Field, FieldKind, MergeSource, number_of
from ris.domain.report_templates import MOST_FIELDS, Part, TemplateContent, checked
from ris.domain.report_texts import LONGEST_NAME, token

_W3C_DATE = re.compile(r"\d{4}(-\d{2}(-\d{2}(T.*)?)?)?")


def read(payload: bytes) -> Reading:
    """What the file is, with every fault that was found in it."""
    if len(payload) > LARGEST:
        return Reading(faults=(Fault(1, f"the file is larger than {LARGEST // 1000} kB"),))
    try:
        text = payload.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = payload[: error.start].count(b"\n") + 1
        return Reading(faults=(Fault(line, "the file is not UTF-8"),))
    if "\x00" in text or "\x01" in text:
        return Reading(faults=(Fault(1, "the file holds characters that no text has"),))
    said = TemplateFile()
    said.feed(text)
    said.close()
    _check_form(said)
    if len(said.fields) > MOST_FIELDS:
        # Not looked at any further: naming them takes time with the square of their number.
        said.fault(
            f"the template has {len(said.fields)} fields, at most {MOST_FIELDS} can be asked", 1
        )
        return Reading(faults=tuple(sorted(set(said.faults))))
    island = Island()
    if said.islands == 1:
        island, faults = read_island(said.island, said.island_line)
        said.faults += faults
        for key, line in island.lines.items():
            if key not in said.identifiers:
                said.fault(f"ORIGTXT {key} is the id of nothing in the file", line)
    return _made(said, island)


def _check_form(said: TemplateFile) -> None:
    if not said.doctype:
        said.fault("there is no <!DOCTYPE html>", 1)
    for tag in ONCE:
        if tag not in said.counts:
            said.fault(f"there is no <{tag}>", 1)
    if said.counts.get("title") == 1 and not said.title.strip():
        said.fault("the <title> is empty", 1)
    if not said.charsets:
        said.fault("no <meta> says the character set", 1)
    for line, charset in said.charsets[1:]:
        said.fault(f"the character set is said a second time ({charset})", line)
    if said.charsets and said.charsets[0][1].casefold() not in {"utf-8", "utf8"}:
        line, charset = said.charsets[0]
        said.fault(f"the character set is {charset or 'empty'}; the profile has UTF-8", line)
    for key in MUST_SAY:
        if not said.about.get(key):
            said.fault(f"dcterms.{key} is missing", said.about_lines.get(key, 1))
    for key in SHOULD_SAY:
        if not said.about.get(key):
            said.note(f"dcterms.{key} is missing", 1)
    if said.about.get("type", TYPE) != TYPE:
        said.fault(f"dcterms.type is {said.about['type']}, not {TYPE}", said.about_lines["type"])
    _check_date(said)
    if said.islands == 0:
        said.fault('there is no <script type="text/xml">', 1)
    if not said.sections and said.counts.get("body"):
        said.fault("the template has no <section>", 1)


def _check_date(said: TemplateFile) -> None:
    value = said.about.get("date", "")
    if not value:
        return
    try:
        if _W3C_DATE.fullmatch(value) is None:
            raise ValueError
        parts = [int(part) for part in value[:10].split("-")]
        date(*([*parts, 1, 1][:3]))
    except ValueError:
        said.fault(f"dcterms.date is no date: {value}", said.about_lines["date"])


# --- fields and text ----------------------------------------------------------------------------


def _made(said: TemplateFile, island: Island) -> Reading:
    labels = {identifier: text for _, identifier, text in said.labels if identifier and text}
    known = {each.attributes.get("id", "").strip() for each in said.fields}
    for line, identifier, _ in said.labels:
        if identifier and identifier not in known:
            said.fault(f"the label is for {identifier}, which is no field", line)
    names: dict[str, str] = {}  # mark → name
    fields = []
    taken: set[str] = set()
    for number, each in enumerate(said.fields, 1):
        name = _name(each, labels, taken, number)
        taken.add(name.casefold())
        names[each.mark] = name
        made = _field(each, name, island, said)
        if made is not None:
            fields.append(made)
    parts = []
    for index, section in enumerate(said.sections):
        codes = island.entries.get(section.identifier, [])
        key = said.keys.get(index) or section_of(
            section.name, tuple(code.code for code in codes if code.scheme in {"LOINC", "LN"})
        )
        parts.append(
            Part(
                section=key,
                text=_text(section, names),
                title=section.name,
                concept=codes[0] if codes else None,
                identifier=section.identifier,
            )
        )
    content = TemplateContent(
        parts=tuple(parts),
        fields=tuple(fields),
        about={key: value for key, value in said.about.items() if value}
        | {key: value for key, value in island.about.items() if value},
        terms=tuple(island.terms),
        schemes=dict(island.schemes),
    )
    if not said.faults:
        try:
            content = checked(content)
        except RisError as error:
            said.fault(error.message, 1)
    faults = tuple(sorted(set(said.faults)))
    found = [MODALITIES.get(each.concept.code, "") for each in island.terms]
    return Reading(
        faults=faults,
        notes=tuple(sorted(set(said.notes))),
        content=content if not faults else None,
        name=said.about.get("title", "") or " ".join(said.title.split()),
        language=said.about.get("language", "en"),
        modalities=tuple(dict.fromkeys(each for each in found if each)),
    )


def _plain(text: str) -> str:
    return " ".join(text.replace("[", "(").replace("]", ")").split())


def _name(each: SaidField, labels: dict[str, str], taken: set[str], number: int) -> str:
    """What the field is called: its label, title, name or id; made unique."""
    said = each.attributes
    label = labels.get(said.get("id", "").strip(), "")
    for words in (label, said.get("title", ""), said.get("name", ""), said.get("id", "")):
        name = _plain(words).rstrip(":").strip()[: LONGEST_NAME - 4].strip()
        if any(letter.isalpha() for letter in name):
            break
    else:
        name = f"Field {number}"
    unique, again = name, 2
    while unique.casefold() in taken:
        unique, again = f"{name} {again}", again + 1
    return unique


def _field(each: SaidField, name: str, island: Island, said: TemplateFile) -> Field | None:
    attributes = each.attributes
    action = attributes.get("data-field-completion-action", "").strip().upper()
    if action not in ACTIONS:
        said.fault(f"{name}: {action} is no completion action (NONE, ALERT, PROHIBIT)", each.line)
    identifier = attributes.get("id", "").strip()
    codes = island.entries.get(identifier, [])
    common = Field(
        name=name,
        required=action == "PROHIBIT" or "required" in attributes,
        concept=codes[0] if codes else None,
        identifier=identifier,
    )
    if each.kind == "select":
        return _select(each, common, island, said)
    if each.kind == "textarea":
        return replace(common, default=_plain(each.text))
    if each.kind not in FIELD_TYPES:
        said.fault(f"{name}: the profile has no field of the type {each.kind}", each.line)
        return None
    if each.kind == "checkbox":
        text = _plain(attributes.get("value", "")) or name
        return replace(
            common,
            kind=FieldKind.CHOICES,
            choices=(Choice(text=text),),
            default=text if "checked" in attributes else "",
        )
    if each.kind == "number":
        return _number(each, common, said)
    default = _plain(attributes.get("value", ""))
    if each.kind == "date":
        return replace(common, kind=FieldKind.DATE, default=default)
    if each.kind == "time":
        return replace(common, kind=FieldKind.TIME, default=default)
    if attributes.get("data-field-merge-flag", "").strip().casefold() == "true":
        return _merge(each, common, said)
    return replace(common, default=default)


def _merge(each: SaidField, common: Field, said: TemplateFile) -> Field:
    wanted = each.attributes.get("data-ris-merge", "").strip()
    source = next((one for one in MergeSource if one.value == wanted), None)
    for words in (common.name, each.attributes.get("name", ""), common.identifier):
        source = source or MERGES.get(words.casefold().replace("_", " ").replace("-", " ").strip())
    if source is None:
        said.note(
            f"{common.name} is to be filled in by the system, which does not know it: it is asked",
            each.line,
        )
        return replace(common, required=True)
    return replace(common, kind=FieldKind.MERGE, source=source)


def _number(each: SaidField, common: Field, said: TemplateFile) -> Field:
    found: dict[str, Decimal | None] = {}
    for key in ("min", "max", "value"):
        raw = each.attributes.get(key, "").strip()
        found[key] = number_of(raw) if raw else None
        if raw and found[key] is None:
            said.fault(f"{common.name}: {key} is no number: {raw}", each.line)
    low, high = found["min"], found["max"]
    if low is not None and high is not None and low > high:
        said.fault(f"{common.name}: min is above max", each.line)
    return replace(
        common,
        kind=FieldKind.NUMBER,
        minimum=low,
        maximum=high,
        unit=_plain(each.attributes.get("data-field-units", "")),
        default=each.attributes.get("value", "").strip(),
    )


def _select(each: SaidField, common: Field, island: Island, said: TemplateFile) -> Field | None:
    choices = []
    seen = set()
    picked = []
    for identifier, text, selected in each.options:
        words = _plain(text)
        if not words or words in seen:
            said.fault(
                f"{common.name}: {'a choice has no text' if not words else words + ' twice'}",
                each.line,
            )
            continue
        seen.add(words)
        codes = island.entries.get(identifier, []) if identifier else []
        choices.append(Choice(text=words, concept=codes[0] if codes else None))
        if selected:
            picked.append(words)
    several = "multiple" in each.attributes
    if len(choices) < (1 if several else 2):
        said.fault(f"{common.name}: a selection list needs something to choose from", each.line)
        return None
    if len(picked) > 1 and not several:
        said.fault(f"{common.name}: two choices are selected of one", each.line)
    return replace(
        common,
        kind=FieldKind.CHOICES if several else FieldKind.CHOICE,
        choices=tuple(choices),
        default="\n".join(picked),
    )


def _text(section: SaidSection, names: dict[str, str]) -> str:
    """The section as lines of text, its fields as brackets."""
    text = "".join(section.text).replace("[", "(").replace("]", ")")
    for mark, name in names.items():
        text = text.replace(mark, token(name))
    blocks = [re.sub(r" *\n *", "\n", block).strip(" \n") for block in text.split("\f")]
    lines = "\n".join(re.sub(r" {2,}", " ", block) for block in blocks if block)
    return re.sub(r"\n{3,}", "\n\n", lines).strip()
