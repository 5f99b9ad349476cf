"""How one device's queries are read: what a device may be registered for beyond the standard.

Part of the key under which a read query is remembered, so everything here can be compared.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class Rules:
    """The defaults read what the standard allows, and what is sent beyond it as it is meant."""

    operator_names: bool = False  # names as people type them (dicom.md MWL-14)
    step_keys_at_root: bool = False  # keys of the step count outside of its sequence too
    strict: bool = False  # what the standard does not allow is refused
    send_time_zone: bool = False  # (0008,0201) in every answer (dicom.md MWL-29)
    # Stations that have one list: a step of one is a step of all (PS3.4 K.2.2.3).
    shared: tuple[tuple[str, ...], ...] = ()

    def stations_of(self, ae_title: str) -> tuple[str, ...]:
        """Everybody who may do what is scheduled for this station, itself first."""
        for group in self.shared:
            if ae_title in group:
                return (ae_title, *(one for one in group if one != ae_title))
        return (ae_title,)


STANDARD = Rules()


@dataclass(frozen=True, slots=True)
class View:
    """What of the worklist is shown at all; an empty part shows everything (dicom.md MWL-35)."""

    stations: tuple[str, ...] = ()  # AE titles, wildcards included
    modalities: tuple[str, ...] = ()
    sites: tuple[str, ...] = ()  # names of sites: what is scheduled for their stations

    def __bool__(self) -> bool:
        return bool(self.stations or self.modalities or self.sites)


class Deviation(NamedTuple):
    """Something in a query that the standard does not allow, or allows no more."""

    kind: str
    element: str  # keyword, or the tag of what has none


DEVIATIONS = {
    "several-values": "several values in a key; taken as alternatives",
    "wildcard": "a wildcard in a key that is matched as a single value; taken as a wildcard",
    "step-keys-at-root": "keys of the scheduled step outside of its sequence; they count only if "
    "the device is registered with step_keys_at_root",
    "several-items": "several items in a sequence key; the first one counts",
    "retrieve-level": "a Query/Retrieve Level, which a worklist does not have; ignored",
    "group-length": "group lengths; ignored",
    "private": "private elements; ignored",
    "odd-length": "a value of odd length; read as it is",
    "retired": "a retired element; answered if it is held",
    "old-date": "a date with dots or spaces; read as meant",
    "character-set": "an empty or unknown Specific Character Set; the device's own is taken",
}
# What a device registered as strict is refused for.
REFUSED = frozenset({"several-values", "several-items", "step-keys-at-root", "old-date"})


def operator_name(key: str) -> str:
    """A name as people type it as keys of the standard: ``Doe, J``, ``Doe John``, ``Doe``.

    What has a caret or an equals sign is a name of the standard and stays. Everything else is the
    beginning of a family name; a comma or a space may divide it from the beginning of a given name.
    """
    return "\\".join(one for value in key.split("\\") for one in _operator_names(value.strip()))


_MOST_WORDS = 6


def _operator_names(value: str) -> Iterator[str]:
    if not value.strip("* ") or "^" in value or "=" in value:
        yield value
        return
    family, comma, given = (part.strip() for part in value.partition(","))
    if comma:
        yield _begun(f"{family}^{given}" if given else family)
        words = given.split()
        if len(words) > 1:
            yield _begun(f"{family}^{'^'.join(words)}")
        return
    yield _begun(value)
    words = value.split()[:_MOST_WORDS]
    for place in range(1, len(words)):
        yield _begun(f"{' '.join(words[:place])}^{' '.join(words[place:])}")


def _begun(text: str) -> str:
    return text if text.endswith("*") else f"{text}*"


def groups_of(pairs: Iterable[tuple[str, Iterable[str]]]) -> tuple[tuple[str, ...], ...]:
    """The stations that belong together, from who names whom; each group in order of titles."""
    group: dict[str, set[str]] = {}
    for ae_title, others in pairs:
        for other in others:
            joined = group.get(ae_title, {ae_title}) | group.get(other, {other})
            for one in joined:
                group[one] = joined
    return tuple(sorted({tuple(sorted(one)) for one in group.values() if len(one) > 1}))
