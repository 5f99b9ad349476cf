"""A small tree of an XML document, built with limits; narrative is kept as it was written."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from xml.sax.saxutils import escape, quoteattr

from integration.fhir.narrative import XHTML
from integration.fhir.outcome import HttpError

_XSI = "{http://www.w3.org/2001/XMLSchema-instance}"
_XML = "{http://www.w3.org/XML/1998/namespace}"
# Narrative that stands on its own: no prefixes that something around it explains.
_OWN = re.compile(rb"""<div\s(?:[^<>"']|"[^"]*"|'[^']*')*?xmlns\s*=\s*["']""")
_PREFIXED = re.compile(rb"</?[A-Za-z_][\w.-]*:")


@dataclass(slots=True)
class Node:
    """One element; the text of narrative is its markup, that of others must not be."""

    namespace: str
    name: str
    attributes: dict[str, str]
    children: list[Node] = field(default_factory=list)
    text: str = ""


class Tree:
    """The target of the parser."""

    def __init__(self, raw: bytes, *, nodes: int, depth: int) -> None:
        self.raw = raw
        self.at: Callable[[], int] = lambda: 0
        self.left = nodes
        self.depth = depth
        self.document = Node("", "", {})
        self.open = [self.document]  # the way down to the present element
        self.narrative = 0  # how deep in it we are
        self.start_of_narrative = 0
        self.markup: list[str] = []

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        self.left -= 1 + len(attributes)
        if self.left < 0:
            raise _fault("more values than this server takes")
        namespace, _, name = tag.removeprefix("{").rpartition("}")
        if len(self.open) + self.narrative > self.depth:
            raise _fault(f"nested more than {self.depth} levels deep")
        if self.narrative:
            self.narrative += 1
            self._markup_start(namespace, name, attributes)
            return
        if len(self.open) == 1:
            # A hint to a schema is usual at the root, and says nothing.
            attributes = {key: text for key, text in attributes.items() if key[: len(_XSI)] != _XSI}
        node = Node(namespace, name, attributes)
        self.open[-1].children.append(node)
        self.open.append(node)
        if namespace == XHTML:
            self.narrative = 1
            self.start_of_narrative = self.at()
            self.markup = []
            self._markup_start(namespace, name, attributes, first=True)

    def end(self, tag: str) -> None:
        if not self.narrative:
            self.open.pop()
            return
        self.markup.append(f"</{tag.rpartition('}')[2]}>")
        self.narrative -= 1
        if not self.narrative:
            self.open.pop().text = self._as_written() or "".join(self.markup)

    def data(self, text: str) -> None:
        if self.narrative:
            self.markup.append(escape(text))
        elif not text.isspace():
            self.open[-1].text = text

    def pi(self, target: str, text: str = "") -> None:
        raise _fault("processing instructions are not allowed")

    def close(self) -> None:
        return None

    def _markup_start(
        self, namespace: str, name: str, attributes: dict[str, str], *, first: bool = False
    ) -> None:
        if namespace != XHTML:
            raise _fault("narrative is XHTML only")
        said = f'<{name} xmlns="{XHTML}"' if first else f"<{name}"
        for key, text in attributes.items():
            said += f" {key.replace(_XML, 'xml:')}={quoteattr(text)}"
        self.markup.append(f"{said}>")

    def _as_written(self) -> str:
        """The bytes of the narrative, if they mean the same without what is around them."""
        end = self.raw.find(b">", self.at())
        found = self.raw[self.start_of_narrative : end + 1]
        if not found.endswith(b">") or not _OWN.match(found) or _PREFIXED.search(found):
            return ""
        return found.decode() if b"</div" in found[-40:] else ""


def _fault(message: str) -> HttpError:
    return HttpError(400, "structure", message)
