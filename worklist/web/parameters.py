"""Query parameters of a search as a worklist identifier (PS3.18 8.3.4, 14.4.1).

The identifier is what a C-FIND with the same keys would hold, so everything behind it, the meaning
of a wildcard as well as the text of a refusal, is that of DIMSE. A parameter that means nothing is
ignored and named in a Warning, as 8.3 demands; a value that makes no sense is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from pydicom.datadict import dictionary_is_retired, dictionary_VR, tag_for_keyword

from worklist.attributes import WORKLIST_TREE, Node
from worklist.elements import TEXT_VRS, UNDIVIDED_VRS, tag_path
from worklist.web.encoding import NUMBER_VRS
from worklist.web.refusal import HttpError

MAX_QUERY = 16 * 1024
MAX_FIELDS = 500
_DEPTH = 8

# Parameters that are no attributes.
ACCEPT = "accept"
CHARSET = "charset"
INCLUDE = "includefield"
FUZZY = "fuzzymatching"
EMPTY = "emptyvaluematching"
MULTIPLE = "multiplevaluematching"
LIMIT = "limit"
OFFSET = "offset"

FUZZY_WARNING = (
    "The fuzzymatching parameter is not supported. Only literal matching has been performed."
)
EMPTY_WARNING = (
    "The emptyvaluematching parameter is not supported. Empty Value Matching has not been "
    "performed."
)
MULTIPLE_WARNING = (
    "The multiplevaluematching parameter is not supported. Multiple Value Matching has not been "
    "performed."
)
# In the words of 8.3.4.2, 8.3.4.5 and 8.3.4.6.
_UNSUPPORTED_WARNINGS: Mapping[str, str] = {
    FUZZY: FUZZY_WARNING,
    EMPTY: EMPTY_WARNING,
    MULTIPLE: MULTIPLE_WARNING,
}
_TAG = re.compile(r"[0-9A-Fa-f]{8}")
_KEYWORD = re.compile(r"[A-Z][A-Za-z0-9]{0,63}")
_UINT = re.compile(r"\d{1,9}")
_NAME = re.compile(r"[A-Za-z0-9_.\-]{1,40}")

Path = tuple[int, ...]
Pairs = list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class SearchParameters:
    """``identifier`` is DICOM JSON; ``limit`` None is as many as the server gives at once."""

    identifier: dict[str, Any]
    offset: int
    limit: int | None
    warnings: tuple[str, ...]


def pairs_of(query: str) -> Pairs:
    """The parameters of a query string; raises HttpError."""
    if len(query) > MAX_QUERY:
        raise HttpError(400, "the query is too long")
    try:
        pairs = parse_qsl(query, keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS)
    except UnicodeDecodeError:
        raise HttpError(400, "the query is not UTF-8") from None
    except ValueError:
        raise HttpError(400, f"more than {MAX_FIELDS} parameters") from None
    return pairs


def first(pairs: Pairs, *names: str) -> str:
    """The value of a parameter with one of these names, whatever their case; empty if absent."""
    return next((value for name, value in pairs if name.lower() in names), "")


def search_parameters(pairs: Pairs) -> SearchParameters:
    """What a search asks; raises HttpError (400)."""
    warnings: list[str] = []
    matches: dict[Path, list[str]] = {}
    for name, value in pairs:
        if name in {INCLUDE, LIMIT, OFFSET} or name.lower() in {
            ACCEPT, CHARSET, "accept-charset", FUZZY, EMPTY, MULTIPLE
        }:  # fmt: skip
            continue
        path = path_of(name)
        if path is None:
            shown = f" {name}" if _NAME.fullmatch(name) else ""
            warnings.append(f"The parameter{shown} is not known and was ignored.")
        else:
            matches.setdefault(path, []).append(value)
    for name, words in _UNSUPPORTED_WARNINGS.items():
        if _is_true(pairs, name):
            warnings.append(words)
    identifier: dict[str, Any] = {}
    wanted = included(pairs, everything=all_paths())
    for path in required_paths() if wanted is None else wanted:
        for one in _expanded(path):
            _place(identifier, one, None)
    for path, values in matches.items():
        _place(identifier, path, _key_value(path, values))
    return SearchParameters(
        identifier, _uint(pairs, OFFSET) or 0, _uint(pairs, LIMIT), tuple(dict.fromkeys(warnings))
    )


def included(pairs: Pairs, *, everything: Iterable[Path]) -> list[Path] | None:
    """The attributes that ``includefield`` names, None if there is none.

    ``all`` means ``everything``, and wins over what stands beside it.
    """
    given = [
        one.strip() for name, value in pairs if name == INCLUDE for one in value.split(",") if one
    ]
    if not given or "all" in given:
        return list(everything) if given else None
    paths = []
    for one in given:
        path = path_of(one)
        if path is None:
            raise HttpError(400, "includefield names something that is no attribute")
        paths.append(path)
    return paths


def path_of(text: str) -> Path | None:
    """``PatientName``, ``00100010`` or a path through sequences; None if it is no attribute."""
    path = []
    for part in text.split("."):
        if _TAG.fullmatch(part):
            tag: int | None = int(part, 16)
        else:
            tag = tag_for_keyword(part) if _KEYWORD.fullmatch(part) else None
        if tag is None or _vr(tag) is None:
            return None
        path.append(tag)
    if len(path) > _DEPTH or any(_vr(tag) != "SQ" for tag in path[:-1]):
        return None
    return tuple(path)


def _vr(tag: int) -> str | None:
    """The VR; None for what PS3.6 does not know, and for what is no attribute of a dataset."""
    if not 0x0008 <= tag >> 16 < 0xFFFC or not tag & 0xFFFF:
        return None
    try:
        return dictionary_VR(tag).partition(" ")[0]
    except KeyError:
        return None


def _expanded(path: Path) -> Iterator[Path]:
    """A sequence as all that is in it: a key that is matched beside it must not be all of it."""
    nodes, node = WORKLIST_TREE, None
    for tag in path:
        node = nodes.get(tag)
        if node is None:
            yield path
            return
        nodes = dict(node.children)
    held = [tag for tag, child in nodes.items() if _is_given(tag, child)]
    if not held:
        yield path
    for tag in held:
        yield from _expanded((*path, tag))


def all_paths() -> Iterator[Path]:
    """Everything we may have a value for."""
    for tag, node in WORKLIST_TREE.items():
        if _is_given(tag, node):
            yield (tag,)


def _is_given(tag: int, node: Node) -> bool:
    """Whether it is part of everything; retired attributes only say again what others say."""
    return node.attribute.is_held and not dictionary_is_retired(tag)


def required_paths() -> Iterator[Path]:
    """Who names no field gets those that every answer of Table K.6-1 must have (types 1 and 2)."""
    return _required(WORKLIST_TREE, ())


def _required(nodes: Mapping[int, Node], above: Path) -> Iterator[Path]:
    for tag, node in nodes.items():
        attribute = node.attribute
        if not _is_given(tag, node) or attribute.return_type == "3":
            continue
        if attribute.vr == "SQ" and not above and attribute.return_type == "1":
            yield from _required(node.children, (tag,))
        else:
            yield (*above, tag)


# --- values


def _key_value(path: Path, values: list[str]) -> Any:
    """Alternatives stand beside each other; UIDs may also be a list with commas (8.3.4.1)."""
    tag = path[-1]
    vr = _vr(tag)
    if vr == "SQ":
        if any(values):
            raise HttpError(400, "a sequence is matched by its attributes", path=tag_path(tag))
        return None
    if vr == "UI":
        values = [one for value in values for one in re.split(r"[,\\]", value)]
    elif vr not in UNDIVIDED_VRS:
        values = [one for value in values for one in value.split("\\")]
    values = list(filter(None, (value.strip() for value in values)))
    if vr in NUMBER_VRS:
        return [_number(tag, value) for value in values]
    if vr not in TEXT_VRS and not all(value.isascii() for value in values):
        raise HttpError(400, "holds letters that are not ASCII", path=tag_path(tag))
    return values


def _number(tag: int, text: str) -> int:
    if not re.fullmatch(r"-?\d{1,19}", text):
        raise HttpError(400, "is not a whole number", path=tag_path(tag))
    return int(text)


def _place(identifier: dict[str, Any], path: Path, values: Any) -> None:
    """Put a key where it belongs, in the one item of the sequences around it."""
    level = identifier
    for tag in path[:-1]:
        sequence = level.setdefault(f"{tag:08X}", {"vr": "SQ"})
        level = sequence.setdefault("Value", [{}])[0]
    tag = path[-1]
    attribute = level.setdefault(f"{tag:08X}", {"vr": _vr(tag)})
    if not values:
        return
    if attribute["vr"] == "PN":
        values = [_name(tag, value) for value in values]
    elif attribute["vr"] in UNDIVIDED_VRS and len(values) > 1:
        raise HttpError(400, "has one value", path=tag_path(tag))
    attribute["Value"] = values


def _name(tag: int, value: str) -> dict[str, str]:
    groups = value.split("=")
    if len(groups) > 3:
        raise HttpError(400, "a name has three component groups", path=tag_path(tag))
    return dict(zip(("Alphabetic", "Ideographic", "Phonetic"), groups, strict=False))


def _is_true(pairs: Pairs, name: str) -> bool:
    value = first(pairs, name)
    if value not in {"", "true", "false"}:
        raise HttpError(400, f"{name} is true or false")
    return value == "true"


def _uint(pairs: Pairs, name: str) -> int | None:
    values = [value for given, value in pairs if given == name]
    if not values:
        return None
    if len(values) > 1 or not _UINT.fullmatch(values[0]):
        raise HttpError(400, f"{name} is one whole number")
    return int(values[0])
