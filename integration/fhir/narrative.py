"""Narrative (FHIR R4 2.4): the part of XHTML that a resource's text may be made of.

Invariants txt-1 and txt-2: a ``div`` in the XHTML namespace with elements and attributes of HTML
4.0 chapters 7 to 11 (without 9.4) and 15, links and images; no scripts, forms, frames, objects and
events; something to be seen. Links may not run anything.
"""

from __future__ import annotations

import re
from typing import Any
from xml.etree.ElementTree import ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser

XHTML = "http://www.w3.org/1999/xhtml"
_PREFIX = f"{{{XHTML}}}"
_XML_LANG = "{http://www.w3.org/XML/1998/namespace}lang"

_ELEMENTS = """
    a abbr acronym address area b bdo big blockquote br caption cite code col colgroup dd dfn div
    dl dt em h1 h2 h3 h4 h5 h6 hr i img kbd li map ol p pre q samp small span strong sub sup table
    tbody td tfoot th thead tr tt ul var
"""
_ATTRIBUTES = """
    title style class id lang dir accesskey tabindex span width align valign char charoff abbr axis
    headers scope rowspan colspan
"""
_OWN_ATTRIBUTES = """
    a.charset a.coords a.href a.hreflang a.name a.rel a.rev a.shape a.type area.alt area.coords
    area.href area.nohref area.shape blockquote.cite img.alt img.border img.height img.ismap
    img.longdesc img.src img.usemap map.name pre.space q.cite table.border table.cellpadding
    table.cellspacing table.frame table.rules table.summary td.nowrap th.nowrap
"""
ELEMENTS = frozenset(_ELEMENTS.split())
ATTRIBUTES = frozenset(_ATTRIBUTES.split()) | {_XML_LANG}
OWN_ATTRIBUTES = frozenset(_OWN_ATTRIBUTES.split())
_LINKS = frozenset({"href", "src", "cite", "longdesc"})
# A link runs nothing; the schemes are those browsers once executed. Controls inside are ignored
# by browsers, so they are here too.
_RUNNING = re.compile(r"(javascript:|vbscript:|data:(?!image/(png|jpeg|gif)))", re.IGNORECASE)
_IGNORED = re.compile(r"[\x00-\x20]+")

MAX_DEPTH = 64


class FaultError(Exception):
    """What is wrong with a narrative."""


class _Reader:
    """The target of the parser: looks at each element and keeps nothing."""

    def __init__(self) -> None:
        self.depth = 0
        self.seen = False

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        name = tag.removeprefix(_PREFIX)
        self.depth += 1
        if name == tag:
            raise FaultError("an element is not in the XHTML namespace")
        if self.depth == 1 and name != "div":
            raise FaultError("the narrative is not one div")
        if self.depth > MAX_DEPTH:
            raise FaultError(f"nested more than {MAX_DEPTH} levels deep")
        if name not in ELEMENTS:
            raise FaultError(f"the element {name[:40]} is not allowed")
        for key, value in attributes.items():
            if key not in ATTRIBUTES and f"{name}.{key}" not in OWN_ATTRIBUTES:
                raise FaultError(f"the attribute {key[:40]} of {name} is not allowed")
            if key in _LINKS and _RUNNING.match(_IGNORED.sub("", value)):
                raise FaultError(f"a link in {name} runs something")
        self.seen = self.seen or name == "img"

    def end(self, tag: str) -> None:
        self.depth -= 1

    def data(self, text: str) -> None:
        self.seen = self.seen or not text.isspace()

    def pi(self, target: str, text: str = "") -> None:
        raise FaultError("processing instructions are not allowed")

    def close(self) -> Any:
        return None


def faults(div: str) -> str:
    """What is wrong with the text of a ``div``, with the invariant's key; empty if nothing."""
    reader = _Reader()
    parser = DefusedXMLParser(target=reader, encoding="utf-8", forbid_dtd=True)
    try:
        parser.feed(div.encode())
        parser.close()
    except FaultError as fault:
        return f"txt-1: {fault}"
    except DefusedXmlException:
        return "txt-1: document types and entities are not allowed"
    except (ParseError, UnicodeEncodeError, ValueError):
        return "txt-1: not well-formed XHTML"
    if div.lstrip().startswith("<?"):
        return "txt-1: not an element alone"
    return "" if reader.seen else "txt-2: the narrative shows nothing"
