"""FHIR XML (FHIR R4 2.6.1): resources written to it and read from it by the element table.

What passes between XML and the rest of the edge are the plain dictionaries of FHIR JSON. Writing
keeps the order of the definition, the digits of decimals and the text of narrative. Reading takes
no document type, entity, processing instruction or namespace of others, keeps the limits of JSON,
and says of every fault where it stands; what only FHIR forbids is left to the gate.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any
from xml.etree.ElementTree import ParseError
from xml.sax.saxutils import escape

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser

from integration.fhir import elements, json
from integration.fhir.elements import Element, Structure
from integration.fhir.narrative import XHTML
from integration.fhir.outcome import HttpError
from integration.fhir.xml_tree import Node, Tree
from ris.domain.errors import RisError, SeveralErrors

FHIR = "http://hl7.org/fhir"
DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>'

# What XML 1.0 cannot hold, not even as a reference (2.2); JSON can.
_IMPOSSIBLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_QUOTED = {'"': "&quot;", "\n": "&#10;", "\r": "&#13;", "\t": "&#9;"}
_WHOLE = re.compile(r"-?(0|[1-9][0-9]*)")
_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_WHOLE_TYPES = frozenset({"integer", "positiveInt", "unsignedInt"})
_ENCODING = re.compile(rb"""\s*<\?xml[^>]*\bencoding\s*=\s*["']([^"']*)""")
_BOM = b"\xef\xbb\xbf"


# --- writing


def write(resource: dict[str, Any], *, pretty: bool = False) -> bytes:
    """A resource as XML; what the table does not know is left out."""
    parts: list[str] = [DECLARATION]
    kind = resource["resourceType"]
    writer = _Writer(parts, pretty)
    writer.object(kind, resource, elements.of(kind), f' xmlns="{FHIR}"', 0)
    return "".join(parts).encode()


class _Writer:
    def __init__(self, parts: list[str], pretty: bool) -> None:
        self.parts = parts
        self.pretty = pretty

    def line(self, depth: int) -> None:
        if self.pretty:
            self.parts.append("\n" + "  " * depth)

    def object(
        self, tag: str, value: dict[str, Any], structure: Structure, attributes: str, depth: int
    ) -> None:
        parts, known = self.parts, structure.elements
        if not structure.resource and "id" in value:
            attributes += f' id="{_quoted(value["id"])}"'
        if structure.name == "Extension" and "url" in value:
            attributes += f' url="{_quoted(value["url"])}"'
        self.line(depth)
        children = sorted(
            {
                (known[name].order, name)
                for name in (key.removeprefix("_") for key in value)
                if name in known and not (name in {"id", "url"} and _attribute(structure, name))
            }
        )
        if not children:
            parts.append(f"<{tag}{attributes}/>")
            return
        parts.append(f"<{tag}{attributes}>")
        for _, name in children:
            self.element(known[name], value.get(name), value.get(f"_{name}"), depth + 1)
        self.line(depth)
        parts.append(f"</{tag}>")

    def element(self, element: Element, value: Any, beside: Any, depth: int) -> None:
        values = value if isinstance(value, list) else [value]
        if element.primitive:
            others = beside if isinstance(beside, list) else [beside]
            length = max(len(values), len(others))
            values = values + [None] * (length - len(values))
            others = others + [None] * (length - len(others))
            for item, more in zip(values, others, strict=True):
                self.primitive(element, item, more, depth)
        elif element.type == "Resource":
            for item in values:
                self.line(depth)
                self.parts.append(f"<{element.name}>")
                kind = item["resourceType"]
                self.object(kind, item, elements.of(kind), "", depth + 1)
                self.line(depth)
                self.parts.append(f"</{element.name}>")
        else:
            structure = elements.of(element.type)
            for item in values:
                self.object(element.name, item, structure, "", depth)

    def primitive(self, element: Element, value: Any, beside: Any, depth: int) -> None:
        if element.type == "xhtml":
            self.line(depth)
            self.parts.append(_division(value))
            return
        attributes = ""
        more = beside or {}
        if "id" in more:
            attributes += f' id="{_quoted(more["id"])}"'
        if value is not None:
            attributes += f' value="{_quoted(_text(value))}"'
        extensions = more.get("extension", ())
        self.line(depth)
        if not extensions:
            self.parts.append(f"<{element.name}{attributes}/>")
            return
        self.parts.append(f"<{element.name}{attributes}>")
        structure = elements.of("Extension")
        for each in extensions:
            self.object("extension", each, structure, "", depth + 1)
        self.line(depth)
        self.parts.append(f"</{element.name}>")


def _attribute(structure: Structure, name: str) -> bool:
    """Ids of elements and the url of an extension are attributes (FHIR R4 2.6.1.0.1)."""
    return structure.name == "Extension" if name == "url" else not structure.resource


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return json.digits(value) if isinstance(value, Decimal) else str(value)


def _quoted(text: str) -> str:
    return escape(_IMPOSSIBLE.sub("\ufffd", text), _QUOTED)


def _division(text: str) -> str:
    """Narrative as it is; what would break the document around it becomes its text."""
    found = text.strip()
    if found.startswith("<div") and _well_formed(found.encode("utf-8", "replace")):
        return found
    return f'<div xmlns="{XHTML}">{escape(_IMPOSSIBLE.sub(chr(0xFFFD), text))}</div>'


class _Nothing:
    """Takes everything and keeps nothing."""

    def __init__(self) -> None:
        self.root = ""

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        self.root = self.root or tag

    def close(self) -> None:
        return None


def _well_formed(raw: bytes) -> bool:
    target = _Nothing()
    parser = DefusedXMLParser(target=target, encoding="utf-8", forbid_dtd=True)
    try:
        parser.feed(raw)
        parser.close()
    except (ParseError, DefusedXmlException, ValueError):
        return False
    return target.root == f"{{{XHTML}}}div"


# --- reading


def read(raw: bytes, *, nodes: int = json.MAX_NODES) -> dict[str, Any]:
    """The resource in ``raw``; raises HttpError or SeveralErrors (400)."""
    root = _parse(raw, nodes)
    if root.namespace != FHIR or root.name not in elements.resource_types():
        raise _malformed(f"the document element is no resource of {FHIR}")
    reader = _Reader()
    found = reader.resource(root, root.name)
    if reader.faults:
        raise SeveralErrors([*reader.faults])
    json.require_limits(found, nodes=nodes)
    return found


def _parse(raw: bytes, nodes: int) -> Node:
    raw = raw.removeprefix(_BOM)
    if not raw.strip():
        raise _malformed("the body is empty")
    said = _ENCODING.match(raw[:200])
    if said and said[1].lower() not in {b"utf-8", b"us-ascii"}:
        raise _malformed("the body must be UTF-8")
    tree = Tree(raw, nodes=nodes, depth=json.MAX_DEPTH)
    parser = DefusedXMLParser(target=tree, encoding="utf-8", forbid_dtd=True)
    tree.at = lambda: parser.parser.CurrentByteIndex
    try:
        parser.feed(raw)
        parser.close()
    except DefusedXmlException:
        raise _malformed("document types and entities are not allowed") from None
    except (ParseError, ValueError) as error:
        raise _malformed(f"not XML: {error}") from None
    return tree.document.children[0]


class _Reader:
    """One document; collects the faults."""

    def __init__(self) -> None:
        self.faults: list[RisError] = []

    def fault(self, message: str, path: str) -> None:
        if len(self.faults) < 100:
            self.faults.append(HttpError(400, "structure", message, path=path[:500]))

    def resource(self, node: Node, path: str) -> dict[str, Any]:
        """A resource from the element that has its type's name."""
        found = {"resourceType": node.name}
        found.update(self.object(node, elements.of(node.name), path))
        return found

    def object(self, node: Node, structure: Structure, path: str) -> dict[str, Any]:
        found: dict[str, Any] = {}
        allowed = set() if structure.resource else {"id"}
        if structure.name == "Extension":
            allowed.add("url")
        for name, value in node.attributes.items():
            if name in allowed:
                found[name] = value
            else:
                self.fault(f"R4 has no attribute {name[:64]} here", path)
        self.no_text(node, path)
        last = -1
        counts: dict[str, int] = {}
        for child in node.children:
            element = self.element_of(child, structure, path)
            if element is None:
                continue
            count = counts[child.name] = counts.get(child.name, -1) + 1
            place = f"{path}.{element.choice or element.name}"
            place += f"[{count}]" if element.many else ""
            if element.order < last:
                self.fault("the elements are not in the order of R4", place)
            last = element.order
            if count and not element.many:
                self.fault("this stands twice", place)
            elif element.primitive:
                self.primitive(child, element, found, place)
            elif element.type == "Resource":
                self.inner(child, element, found, place)
            else:
                inner = self.object(child, elements.of(element.type), place)
                _put(found, element.name, inner, element.many)
        for name in [name for name in found if f"_{name}" in found]:
            if found[name] == [None] * len(found[f"_{name}"]):
                del found[name]  # extensions alone
        return found

    def element_of(self, child: Node, structure: Structure, path: str) -> Element | None:
        if child.namespace not in {FHIR, XHTML}:
            self.fault(f"elements of the namespace {child.namespace[:100]!r} are not allowed", path)
            return None
        element = structure.elements.get(child.name)
        wanted = XHTML if element is not None and element.type == "xhtml" else FHIR
        if element is not None and child.namespace != wanted:
            self.fault(f"this belongs to the namespace {wanted}", f"{path}.{child.name}")
            return None
        if element is None or (child.name in {"id", "url"} and _attribute(structure, child.name)):
            self.fault("R4 has no such element here", f"{path}.{child.name[:64]}")
            return None
        return element

    def inner(self, node: Node, element: Element, found: dict[str, Any], path: str) -> None:
        self.no_text(node, path)
        if node.attributes:
            self.fault("R4 has no attributes here", path)
        if len(node.children) != 1:
            self.fault("one resource is expected", path)
            return
        child = node.children[0]
        if child.namespace != FHIR or child.name not in elements.resource_types():
            self.fault(f"{child.name[:64]!r} is no resource of R4", path)
            return
        _put(found, element.name, self.resource(child, path), element.many)

    def primitive(self, node: Node, element: Element, found: dict[str, Any], path: str) -> None:
        if element.type == "xhtml":
            found[element.name] = node.text
            return
        beside: dict[str, Any] = {}
        value: Any = None
        for name, text in node.attributes.items():
            if name == "value":
                value = _typed(text, element.type)
            elif name == "id":
                beside["id"] = text
            else:
                self.fault(f"R4 has no attribute {name[:64]} here", path)
        self.no_text(node, path)
        structure = elements.of("Extension")
        for index, child in enumerate(node.children):
            if child.namespace != FHIR or child.name != "extension":
                self.fault("a primitive has an id and extensions, nothing else", path)
                continue
            more = self.object(child, structure, f"{path}.extension[{index}]")
            beside.setdefault("extension", []).append(more)
        if value is None and not beside:
            self.fault("neither a value nor an extension", path)
            return
        if not element.many:
            if value is not None:
                found[element.name] = value
            if beside:
                found[f"_{element.name}"] = beside
            return
        _put_beside(found, element.name, value, beside)

    def no_text(self, node: Node, path: str) -> None:
        if node.text:
            self.fault("FHIR has no text between elements", path)


def _put(found: dict[str, Any], name: str, value: dict[str, Any], many: bool) -> None:
    if many:
        found.setdefault(name, []).append(value)
    else:
        found[name] = value


def _put_beside(found: dict[str, Any], name: str, value: Any, beside: dict[str, Any]) -> None:
    """A repeated primitive: two lists in step, where one has nothing there is null."""
    values = found.setdefault(name, [])
    values.append(value)
    others = found.get(f"_{name}")
    if beside and others is None:
        others = found[f"_{name}"] = [None] * (len(values) - 1)
    if others is not None:
        others.append(beside or None)


def _typed(text: str, kind: str) -> Any:
    """The value JSON has for an attribute; what does not fit stays a text, for the gate to say."""
    if kind == "boolean":
        return {"true": True, "false": False}.get(text, text)
    if kind in _WHOLE_TYPES and _WHOLE.fullmatch(text) and len(text) < 20:
        return int(text)
    if kind == "decimal" and _NUMBER.fullmatch(text):
        return int(text) if _WHOLE.fullmatch(text) and len(text) < 20 else Decimal(text)
    return text


def _malformed(message: str) -> HttpError:
    return HttpError(400, "structure", message[:300])
