"""The FHIRPath of search parameters: the few forms that the official definitions use.

``A.b.c``, ``A.b | A.c``, ``(A.b as Quantity)``, ``A.b.as(Quantity)``, ``A.b.ofType(Quantity)``,
``A.b.where(resolve() is Patient)``, ``A.b.where(system='phone')``, ``A.b[0].c`` and ``exists()``. A
choice element is named without its type (FHIR R4 2.6.1.4); what it held is remembered for ``as``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

# (value, its type where the name of a choice element says it)
Node = tuple[Any, str]
Step = Callable[[list[Node]], list[Node]]

_TOKEN = re.compile(
    r"\s*(?:(?P<name>[A-Za-z_][A-Za-z0-9_]*)|(?P<text>'[^']*')|(?P<number>\d+)|(?P<sign>!=|[.()\[\]|=]))"
)
# Datatypes that choice elements end in (FHIR R4 2.24.0.1).
_DATATYPES = frozenset(
    [
        *("Base64Binary", "Boolean", "Canonical", "Code", "Date", "DateTime", "Decimal", "Id"),
        *("Instant", "Integer", "Markdown", "Oid", "PositiveInt", "String", "Time"),
        *("UnsignedInt", "Uri", "Url", "Uuid", "Address", "Age", "Annotation", "Attachment"),
        *("CodeableConcept", "Coding", "ContactPoint", "Count", "Distance", "Duration"),
        *("HumanName", "Identifier", "Money", "Period", "Quantity", "Range", "Ratio"),
        *("Reference", "SampledData", "Signature", "Timing"),
    ]
)


class UnknownFormError(ValueError):
    """An expression has a form that is not evaluated here."""


def values(resource: dict[str, Any], expression: str) -> list[Any]:
    """What the expression gives for a resource, in its order."""
    return [value for value, _ in nodes(resource, expression)]


def nodes(resource: dict[str, Any], expression: str) -> list[Node]:
    """The same with the types of choice elements."""
    if not expression:
        return []
    found: list[Node] = []
    for branch in compiled(expression):
        at: list[Node] = [(resource, "")]
        for step in branch:
            at = step(at)
        found += at
    return found


@cache
def compiled(expression: str) -> tuple[tuple[Step, ...], ...]:
    """The steps of each alternative; raises UnknownFormError."""
    if expression.startswith("Patient.deceased.exists()"):
        return ((_dead,),)
    tokens = _Tokens(expression)
    branches = [_branch(tokens)]
    while tokens.accept("|"):
        branches.append(_branch(tokens))
    if tokens.rest:
        raise UnknownFormError(expression)
    return tuple(branches)


class _Tokens:
    def __init__(self, text: str) -> None:
        self.rest: list[str] = []
        position = 0
        while text[position:].strip():
            found = _TOKEN.match(text, position)
            if found is None:
                raise UnknownFormError(text)
            self.rest.append(found[0].strip())
            position = found.end()

    def accept(self, *wanted: str) -> bool:
        if self.rest[: len(wanted)] != list(wanted):
            return False
        del self.rest[: len(wanted)]
        return True

    def expect(self, *wanted: str) -> None:
        if not self.accept(*wanted):
            raise UnknownFormError(" ".join(self.rest[:5]))

    def take(self) -> str:
        if not self.rest:
            raise UnknownFormError("the expression ends early")
        return self.rest.pop(0)


def _branch(tokens: _Tokens) -> tuple[Step, ...]:
    steps: list[Step] = []
    if tokens.accept("("):
        steps += _branch(tokens)
        tokens.expect(")")
    else:
        name = tokens.take()
        if not name[:1].isalpha():
            raise UnknownFormError(name)
        # A type names what is asked; in a part of a composite the first word is an element.
        steps.append(_of_type(name) if name[0].isupper() else _child(name))
    while True:
        if tokens.accept("."):
            steps.append(_after_dot(tokens))
        elif tokens.accept("["):
            steps.append(_index(int(tokens.take())))
            tokens.expect("]")
        elif tokens.accept("as"):
            steps.append(_as(tokens.take()))
        else:
            return tuple(steps)


def _after_dot(tokens: _Tokens) -> Step:
    name = tokens.take()
    if not tokens.accept("("):
        return _child(name)
    if name in {"as", "ofType"}:
        step = _as(tokens.take())
    elif name == "exists":
        step = _exists
    elif name == "where" and tokens.accept("resolve", "(", ")", "is"):
        step = _refers(tokens.take())
    elif name == "where":
        field = tokens.take()
        tokens.expect("=")
        step = _where(field, tokens.take().strip("'"))
    else:
        raise UnknownFormError(name)
    tokens.expect(")")
    return step


# --- steps


def _of_type(name: str) -> Step:
    abstract = name in {"Resource", "DomainResource"}
    return lambda at: [each for each in at if abstract or each[0].get("resourceType", name) == name]


def _child(name: str) -> Step:
    def step(at: list[Node]) -> list[Node]:
        return [found for value, _ in at for found in _children(value, name)]

    return step


def _children(value: Any, name: str) -> Iterable[Node]:
    if not isinstance(value, dict):
        return
    if name in value:
        yield from _each(value[name], "")
        return
    for key, child in value.items():
        if key.startswith(name) and key[len(name) :] in _DATATYPES:
            yield from _each(child, key[len(name) :])


def _each(value: Any, kind: str) -> Iterable[Node]:
    if isinstance(value, list):
        for item in value:
            if item is not None:
                yield item, kind
    elif value is not None:
        yield value, kind


def _index(position: int) -> Step:
    return lambda at: at[position : position + 1]


def _as(kind: str) -> Step:
    wanted = kind[0].upper() + kind[1:]
    return lambda at: [each for each in at if each[1] in {"", wanted}]


def _exists(at: list[Node]) -> list[Node]:
    return [(bool(at), "Boolean")]


def _refers(kind: str) -> Step:
    return lambda at: [each for each in at if refers_to(each[0], kind)]


def refers_to(value: Any, kind: str) -> bool:
    """Whether a Reference leads to this type, as far as it says."""
    if isinstance(value, str):  # a canonical or URI: its address says the type
        return f"/{kind}/" in f"/{value}"
    if not isinstance(value, dict):
        return False
    if value.get("type") == kind:
        return True
    return f"/{kind}/" in f"/{value.get('reference', '')}"


def _where(field: str, wanted: str) -> Step:
    return lambda at: [
        each for each in at if isinstance(each[0], dict) and each[0].get(field) == wanted
    ]


def _dead(at: list[Node]) -> list[Node]:
    """``Patient.deceased.exists() and Patient.deceased != false``."""
    said = [value for each, _ in at for value, _ in _children(each, "deceased")]
    return [(bool(said) and said[0] is not False, "Boolean")]
