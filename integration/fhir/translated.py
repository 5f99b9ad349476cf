"""What was made of something before, made again only if it is another thing now.

Nobody changes a resource that was made for an answer, so the same object can stand in many; its
bytes are kept with it.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from integration.fhir import json
from integration.fhir.from_domain.datatypes import Resource, Shown

H = TypeVar("H")

_MOST = 2_000
_LONGEST = 16 * 1024


@dataclass(slots=True)
class Translated(Generic[H]):
    """A translator that gives the same resource for the same things.

    Two hits are the same if they are equal and made of the same objects: selectors give an object
    again only for the same rows. What stands beside (names of devices, rooms, issuers) must be
    equal.
    """

    translate: Callable[[H, Shown], Resource]
    known: OrderedDict[str, tuple[tuple[object, ...], H, Shown, Resource]] = field(
        default_factory=OrderedDict
    )
    lock: threading.Lock = field(default_factory=threading.Lock)

    def of(self, key: str, parts: tuple[object, ...], hit: H, shown: Shown) -> Resource:
        """The resource of a hit; ``parts`` are the objects it is made of."""
        with self.lock:
            found = self.known.get(key)
        if found is not None:
            same = all(one is other for one, other in zip(found[0], parts, strict=True))
            if same and found[1] == hit and (found[2] is shown or found[2] == shown):
                return found[3]
        made = self.translate(hit, shown)
        with self.lock:
            self.known[key] = parts, hit, shown, made
            self.known.move_to_end(key)
            while len(self.known) > _MOST:
                self.known.popitem(last=False)
        return made


# --- bytes

# By the identity of a resource, which lives as long as it is in here.
_written: OrderedDict[int, tuple[Resource, bytes]] = OrderedDict()
_lock = threading.Lock()


def written(resource: Resource) -> bytes:
    """A resource as JSON; worked out once for each."""
    key = id(resource)
    with _lock:
        found = _written.get(key)
    if found is not None and found[0] is resource:
        return found[1]
    text = json.write(resource)
    if len(text) <= _LONGEST:
        with _lock:
            _written[key] = resource, text
            while len(_written) > _MOST:
                _written.popitem(last=False)
    return text


def bundle(value: Mapping[str, Any]) -> bytes:
    """A Bundle as JSON, its resources by :func:`written`."""
    parts = [_member(name, inner) for name, inner in value.items()]
    return b"{" + b",".join(parts) + b"}"


def _member(name: str, value: Any) -> bytes:
    if name == "entry":
        return b'"entry":[' + b",".join(_entry(each) for each in value) + b"]"
    return json.write(name) + b":" + json.write(value)


def _entry(entry: Mapping[str, Any]) -> bytes:
    resource = entry.get("resource")
    if not isinstance(resource, dict):
        return json.write(entry)
    parts = [
        b'"resource":' + written(resource)
        if name == "resource"
        else json.write(name) + b":" + json.write(inner)
        for name, inner in entry.items()
    ]
    return b"{" + b",".join(parts) + b"}"
