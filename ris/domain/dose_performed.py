"""What a performed step says of dose: the attributes that MPPS had until 2017 (PS3.3 C.4.16).

Devices without a dose report still send them. The units are those of PS3.3: seconds, dGy·cm²
(not the Gy·m² of a dose report), dGy and mGy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ris.domain.dose import DoseKind
from ris.domain.measures import Measure, Part, Quantity, quantity

# Tag → measure and unit. The entrance dose is there twice, once in whole dGy: the finer one counts.
_ATTRIBUTES: Sequence[tuple[str, Measure, str]] = (
    ("0018115E", Measure.DAP, "dGy.cm2"),
    ("00400300", Measure.FLUORO_TIME, "s"),
    ("00400301", Measure.EXPOSURES, "1"),
    ("00408302", Measure.ENTRANCE_DOSE, "mGy"),
    ("00400302", Measure.ENTRANCE_DOSE, "dGy"),
)
_EXPOSURES = "0040030E"
_CTDI_VOL = "00189345"
_PHANTOM = "00189346"
_PHANTOMS: Mapping[str, Part] = {"113690": Part.HEAD_PHANTOM, "113691": Part.BODY_PHANTOM}
_COMMENTS = "00400310"

_KINDS: Mapping[str, DoseKind] = {
    "CT": DoseKind.CT,
    "MG": DoseKind.MAMMOGRAPHY,
    "NM": DoseKind.NUCLEAR,
    "PT": DoseKind.NUCLEAR,
}


def kind_of(modality: str) -> DoseKind:
    return _KINDS.get(modality, DoseKind.PROJECTION)


def quantities_in(dataset: Mapping[str, Any]) -> tuple[Quantity, ...]:
    """The dose that a performed step's DICOM JSON (PS3.18 F.2) states; none if it states none."""
    found: dict[Measure, Quantity] = {}
    for tag, measure, unit in _ATTRIBUTES:
        text = _text(dataset, tag)
        if text and measure not in found:
            found[measure] = quantity(measure, text, unit)
    return (*found.values(), *_of_exposures(dataset))


def comments_in(dataset: Mapping[str, Any]) -> str:
    """Comments on Radiation Dose: for people, numbers in it are not read."""
    return _text(dataset, _COMMENTS)[:500]


def _of_exposures(dataset: Mapping[str, Any]) -> list[Quantity]:
    """The highest CTDIvol of each phantom; the rest of an exposure is no dose of its own."""
    highest: dict[Part, Quantity] = {}
    for item in _items(dataset, _EXPOSURES):
        text = _text(item, _CTDI_VOL)
        if not text:
            continue
        codes = _items(item, _PHANTOM)
        part = _PHANTOMS.get(_text(codes[0], "00080100"), Part.WHOLE) if codes else Part.WHOLE
        one = quantity(Measure.CTDI_VOL, text, "mGy", part)
        known = highest.get(part)
        if known is None or (one.value or 0) > (known.value or 0):
            highest[part] = one
    return list(highest.values())


def _text(data: Mapping[str, Any], tag: str) -> str:
    element = data.get(tag)
    values = element.get("Value") if isinstance(element, Mapping) else None
    if not isinstance(values, list) or not values or isinstance(values[0], Mapping):
        return ""
    return "\\".join("" if value is None else str(value) for value in values)


def _items(data: Mapping[str, Any], tag: str) -> list[Mapping[str, Any]]:
    element = data.get(tag)
    values = element.get("Value") if isinstance(element, Mapping) else None
    return [item for item in values or () if isinstance(item, Mapping)]
