"""A template as an MRRT file: HTML5 that other systems import, and this one as it was."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from html import escape

from ris.domain.mrrt import CODES_OF_SECTIONS, TYPE
from ris.domain.report_fields import Choice, Concept, Field, FieldKind
from ris.domain.report_templates import Part, TemplateContent
from ris.domain.reporting import SECTIONS

_TITLES = dict(SECTIONS)
_OIDS = {
    "LOINC": "2.16.840.1.113883.6.1",
    "LN": "2.16.840.1.113883.6.1",
    "RADLEX": "2.16.840.1.113883.6.256",
    "SCT": "2.16.840.1.113883.6.96",
    "DCM": "1.2.840.10008.2.16.4",
}
_ISLAND = ("status", "top-level-flag")


@dataclass(slots=True)
class _Coded:
    """The entries of the island, and the ids that they code."""

    entries: list[tuple[str, Concept]] = field(default_factory=list)
    used: set[str] = field(default_factory=set)

    def identifier(self, wanted: str, otherwise: str) -> str:
        name = wanted or otherwise
        while name in self.used:
            name += "x"
        self.used.add(name)
        return name


def write(
    content: TemplateContent, *, name: str, language: str, identifier: str, on: str, maker: str = ""
) -> bytes:
    """The file; ``on`` is the date of the version, ISO, and ``maker`` who made what says nobody."""
    coded = _Coded()
    body = [_section(part, content, coded, number) for number, part in enumerate(content.parts, 1)]
    about = {
        **content.about,
        "title": name,
        "identifier": content.about.get("identifier", "") or identifier,
        "type": TYPE,
        "language": language,
        "publisher": content.about.get("publisher", "") or maker,
        "creator": content.about.get("creator", "") or maker,
        "date": content.about.get("date", "") or on,
    }
    metas = "".join(
        f'    <meta name="dcterms.{escape(key)}" content="{escape(value)}"/>\n'
        for key, value in about.items()
        if key not in _ISLAND and value
    )
    return (
        "<!DOCTYPE html>\n"
        f'<html lang="{escape(language)}">\n'
        "  <head>\n"
        f"    <title>{escape(name)}</title>\n"
        '    <meta charset="UTF-8"/>\n'
        f"{metas}"
        '    <script type="text/xml">\n'
        f"{_island(content, coded)}"
        "    </script>\n"
        "  </head>\n"
        "  <body>\n"
        f"{''.join(body)}"
        "  </body>\n"
        "</html>\n"
    ).encode()


def _island(content: TemplateContent, coded: _Coded) -> str:
    concepts = [concept for _, concept in coded.entries]
    concepts += [term.concept for term in content.terms]
    schemes = dict(content.schemes)
    for scheme in sorted({concept.scheme for concept in concepts} - schemes.keys()):
        schemes[scheme] = _OIDS.get(scheme, scheme)
    lines = ["<template_attributes>"]
    lines.append(
        f"  <top-level-flag>{escape(content.about.get('top-level-flag', 'true'))}</top-level-flag>"
    )
    lines.append(f"  <status>{escape(content.about.get('status', 'ACTIVE'))}</status>")
    if schemes:
        lines.append("  <coding_schemes>")
        lines += [
            f'    <coding_scheme name="{escape(scheme)}" designator="{escape(oid)}"/>'
            for scheme, oid in schemes.items()
        ]
        lines.append("  </coding_schemes>")
    for term in content.terms:
        lines.append(f'  <term type="{escape(term.type)}">{_code(term.concept)}</term>')
    lines.append("  <coded_content>")
    for origin, concept in coded.entries:
        lines.append(f'    <entry ORIGTXT="{escape(origin)}">')
        lines.append(f"      <term>{_code(concept)}</term>")
        lines.append("    </entry>")
    lines.append("  </coded_content>")
    lines.append("</template_attributes>")
    return "".join(f"      {line}\n" for line in lines)


def _code(concept: Concept) -> str:
    return (
        f'<code meaning="{escape(concept.meaning)}" value="{escape(concept.code)}" '
        f'scheme="{escape(concept.scheme)}"/>'
    )


def _section(part: Part, content: TemplateContent, coded: _Coded, number: int) -> str:
    title = part.title or _TITLES[part.section]
    identifier = coded.identifier(part.identifier, f"S{number:03d}")
    code, meaning = CODES_OF_SECTIONS[part.section]
    own = part.concept or Concept(code=code, scheme="LOINC", meaning=meaning)
    coded.entries.append((identifier, own))
    fields = {each.name: each for each in content.fields}
    text = _text(part.text, fields, coded)
    return (
        f'    <section id="{escape(identifier)}" data-section-name="{escape(title)}" '
        f'data-ris-section="{part.section}">\n'
        f'      <header class="level1">{escape(title)}</header>\n'
        f"      <p>{text}</p>\n"
        "    </section>\n"
    )


def _text(text: str, fields: dict[str, Field], coded: _Coded) -> str:
    out = []
    for piece in re.split(r"(\[[^\[\]\n]{1,300}\])", text):
        name = piece[1:-1].strip() if piece.startswith("[") and piece.endswith("]") else ""
        if name and name in fields:
            out.append(_field(fields[name], coded))
        else:
            out.append(escape(piece, quote=False).replace("\n", "<br/>"))
    return "".join(out)


def _field(each: Field, coded: _Coded) -> str:
    identifier = coded.identifier(each.identifier, f"F{len(coded.used) + 1:03d}")
    if each.concept is not None:
        coded.entries.append((identifier, each.concept))
    said = {
        "id": identifier,
        "title": each.name,
        "data-field-completion-action": "PROHIBIT" if each.required else "NONE",
        "data-field-merge-flag": "true" if each.kind is FieldKind.MERGE else "false",
    }
    picked = each.default.split("\n")
    if each.kind is FieldKind.CHOICES and len(each.choices) == 1:
        (only,) = each.choices
        said |= {"type": "checkbox", "data-field-type": "CHECKBOX", "value": only.text}
        return _tag("input", said, ["checked"] if only.text in picked else [])
    if each.choices:
        said["data-field-type"] = "SELECTION_LIST"
        flags = ["multiple"] if each.kind is FieldKind.CHOICES else []
        options = _options(each.choices, picked, identifier, coded)
        return f"{_tag('select', said, flags, closed=False)}{options}</select>"
    if each.kind is FieldKind.NUMBER:
        said |= {"type": "number", "data-field-type": "NUMBER", "data-field-units": each.unit}
        if each.minimum is not None:
            said["min"] = f"{each.minimum:f}"
        if each.maximum is not None:
            said["max"] = f"{each.maximum:f}"
    elif each.kind is FieldKind.DATE:
        said |= {"type": "date", "data-field-type": "DATE"}
    elif each.kind is FieldKind.TIME:
        said |= {"type": "time", "data-field-type": "TIME"}
    else:
        said |= {"type": "text", "data-field-type": "TEXT"}
        if each.source is not None:
            said["data-ris-merge"] = each.source.value
    if each.default:
        said["value"] = each.default
    return _tag("input", {key: value for key, value in said.items() if value}, [])


def _options(
    choices: Iterable[Choice], picked: Iterable[str], identifier: str, coded: _Coded
) -> str:
    out = []
    for number, choice in enumerate(choices, 1):
        said = {"value": choice.text}
        if choice.concept is not None:
            own = coded.identifier("", f"{identifier}-{number}")
            coded.entries.append((own, choice.concept))
            said["id"] = own
        flags = ["selected"] if choice.text in picked else []
        tag = _tag("option", said, flags, closed=False)
        out.append(f"{tag}{escape(choice.text, quote=False)}</option>")
    return "".join(out)


def _tag(name: str, said: dict[str, str], flags: list[str], *, closed: bool = True) -> str:
    attributes = "".join(f' {key}="{escape(value)}"' for key, value in said.items())
    return f"<{name}{attributes}{''.join(f' {flag}' for flag in flags)}{'/' if closed else ''}>"
