"""Measures of radiation dose and their units: what a number means, and when it means nothing.

A dose is a number with a unit that somebody said; here it is converted only by the tables below,
from the unit that stands beside it. A unit that no table knows is kept as it came and never added
to anything (PS3.16 TID 10001 to 10030; PS3.3 C.4.16 for the retired attributes of MPPS).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Any


class Dimension(StrEnum):
    """What kind of number a measure is; the value is the unit it is kept and shown in."""

    DOSE_LENGTH = "mGy·cm"
    DOSE = "mGy"
    DOSE_AREA = "Gy·cm²"
    EFFECTIVE = "mSv"
    TIME = "s"
    ACTIVITY = "MBq"
    COUNT = ""
    VOLTAGE = "kV"
    CURRENT = "mA"
    CHARGE = "mAs"
    LENGTH = "mm"


# UCUM code → factor to the dimension's unit. Nothing else is understood: "mGycm" may be a misprint
# of two different things.
UNITS: Mapping[Dimension, Mapping[str, Decimal]] = {
    dimension: {unit: Decimal(factor) for unit, factor in units.items()}
    for dimension, units in {
        Dimension.DOSE_LENGTH: {
            "mGy.cm": "1", "Gy.cm": "1000", "cGy.cm": "10", "dGy.cm": "100", "uGy.cm": "0.001",
            "Gy.m": "100000", "mGy.m": "100", "mGy.mm": "0.1",
        },
        Dimension.DOSE: {
            "mGy": "1", "Gy": "1000", "dGy": "100", "cGy": "10", "uGy": "0.001",
        },
        Dimension.DOSE_AREA: {
            "Gy.m2": "10000", "dGy.m2": "1000", "cGy.m2": "100", "mGy.m2": "10", "uGy.m2": "0.01",
            "Gy.cm2": "1", "dGy.cm2": "0.1", "cGy.cm2": "0.01", "mGy.cm2": "0.001",
            "uGy.cm2": "0.000001",
        },
        Dimension.EFFECTIVE: {"mSv": "1", "Sv": "1000", "uSv": "0.001"},
        Dimension.TIME: {"s": "1", "ms": "0.001", "min": "60"},
        Dimension.ACTIVITY: {
            "MBq": "1", "kBq": "0.001", "GBq": "1000", "Bq": "0.000001", "mCi": "37",
            "uCi": "0.037", "Ci": "37000",
        },
        Dimension.COUNT: {
            "1": "1", "{no_units}": "1", "no units": "1", "{events}": "1", "{frames}": "1",
            "{images}": "1", "{pulses}": "1", "{exposures}": "1",
        },
        Dimension.VOLTAGE: {"kV": "1", "V": "0.001"},
        Dimension.CURRENT: {"mA": "1", "A": "1000", "uA": "0.001"},
        Dimension.CHARGE: {"mA.s": "1", "uA.s": "0.001", "A.s": "1000"},
        Dimension.LENGTH: {"mm": "1", "cm": "10", "m": "1000"},
    }.items()
}  # fmt: skip


class Measure(StrEnum):
    """What is measured; the words and the dimension stand in :data:`MEASURES`."""

    DLP = "dlp"
    CTDI_VOL = "ctdi_vol"
    EFFECTIVE_DOSE = "effective_dose"
    DAP = "dap"
    DAP_FLUORO = "dap_fluoro"
    DAP_ACQUISITION = "dap_acquisition"
    DOSE_RP = "dose_rp"
    DOSE_RP_FLUORO = "dose_rp_fluoro"
    DOSE_RP_ACQUISITION = "dose_rp_acquisition"
    FLUORO_TIME = "fluoro_time"
    ACQUISITION_TIME = "acquisition_time"
    FRAMES = "frames"
    GLANDULAR_DOSE = "glandular_dose"
    ENTRANCE_DOSE = "entrance_dose"
    EXPOSURES = "exposures"
    ACTIVITY = "activity"
    ABSORBED_DOSE = "absorbed_dose"
    EVENTS = "events"
    # Of a single event, never added up.
    KVP = "kvp"
    TUBE_CURRENT = "tube_current"
    EXPOSURE = "exposure"
    EXPOSURE_TIME = "exposure_time"
    SCANNING_LENGTH = "scanning_length"
    PULSES = "pulses"


class Adding(StrEnum):
    """What several statements of one measure make together."""

    SUM = "sum"
    HIGHEST = "highest"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class MeasureInfo:
    words: str
    dimension: Dimension
    adding: Adding = Adding.SUM
    # Above this a value is a misprint or an attack, in the dimension's unit.
    highest: Decimal = Decimal(10_000_000)


MEASURES: Mapping[Measure, MeasureInfo] = {
    Measure.DLP: MeasureInfo("Dose length product (DLP)", Dimension.DOSE_LENGTH),
    Measure.CTDI_VOL: MeasureInfo("CTDIvol", Dimension.DOSE, Adding.HIGHEST),
    Measure.EFFECTIVE_DOSE: MeasureInfo("Effective dose", Dimension.EFFECTIVE),
    Measure.DAP: MeasureInfo("Dose area product (DAP)", Dimension.DOSE_AREA),
    Measure.DAP_FLUORO: MeasureInfo("DAP of fluoroscopy", Dimension.DOSE_AREA),
    Measure.DAP_ACQUISITION: MeasureInfo("DAP of acquisition", Dimension.DOSE_AREA),
    Measure.DOSE_RP: MeasureInfo("Dose at the reference point", Dimension.DOSE),
    Measure.DOSE_RP_FLUORO: MeasureInfo("Dose at the reference point, fluoroscopy", Dimension.DOSE),
    Measure.DOSE_RP_ACQUISITION: MeasureInfo(
        "Dose at the reference point, acquisition", Dimension.DOSE
    ),
    Measure.FLUORO_TIME: MeasureInfo("Fluoroscopy time", Dimension.TIME),
    Measure.ACQUISITION_TIME: MeasureInfo("Acquisition time", Dimension.TIME),
    Measure.FRAMES: MeasureInfo("Radiographic frames", Dimension.COUNT),
    Measure.GLANDULAR_DOSE: MeasureInfo("Average glandular dose (AGD)", Dimension.DOSE),
    Measure.ENTRANCE_DOSE: MeasureInfo("Entrance dose", Dimension.DOSE),
    Measure.EXPOSURES: MeasureInfo("Exposures", Dimension.COUNT),
    Measure.ACTIVITY: MeasureInfo("Administered activity", Dimension.ACTIVITY),
    Measure.ABSORBED_DOSE: MeasureInfo("Absorbed dose", Dimension.DOSE, Adding.NONE),
    Measure.EVENTS: MeasureInfo("Irradiation events", Dimension.COUNT),
    Measure.KVP: MeasureInfo("Tube voltage", Dimension.VOLTAGE, Adding.NONE),
    Measure.TUBE_CURRENT: MeasureInfo("Tube current", Dimension.CURRENT, Adding.NONE),
    Measure.EXPOSURE: MeasureInfo("Exposure", Dimension.CHARGE, Adding.NONE),
    Measure.EXPOSURE_TIME: MeasureInfo("Exposure time", Dimension.TIME, Adding.NONE),
    Measure.SCANNING_LENGTH: MeasureInfo("Scanned length", Dimension.LENGTH, Adding.NONE),
    Measure.PULSES: MeasureInfo("Pulses", Dimension.COUNT, Adding.NONE),
}


class Part(StrEnum):
    """What a value is a part of: a plane, a side, a phantom; the whole has none."""

    WHOLE = ""
    PLANE_A = "plane-a"
    PLANE_B = "plane-b"
    ALL_PLANES = "all-planes"
    LEFT = "left"
    RIGHT = "right"
    BOTH = "both"
    HEAD_PHANTOM = "head-phantom"
    BODY_PHANTOM = "body-phantom"


PART_WORDS: Mapping[Part, str] = {
    Part.WHOLE: "",
    Part.PLANE_A: "plane A",
    Part.PLANE_B: "plane B",
    Part.ALL_PLANES: "all planes",
    Part.LEFT: "left",
    Part.RIGHT: "right",
    Part.BOTH: "both sides",
    # The phantom changes what the number means: 16 cm reads about twice 32 cm.
    Part.HEAD_PHANTOM: "16 cm phantom",
    Part.BODY_PHANTOM: "32 cm phantom",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantity:
    """A value as it came and, if it could be understood, in its measure's unit.

    ``value`` None means that it counts in no total; ``problem`` says why.
    """

    measure: Measure
    value: Decimal | None
    part: Part = Part.WHOLE
    sent: str = ""
    sent_unit: str = ""
    problem: str = ""
    of: str = ""  # an organ, where the measure alone says too little

    @property
    def unit(self) -> str:
        return MEASURES[self.measure].dimension.value

    def as_json(self) -> dict[str, str | None]:
        return {
            "measure": self.measure.value,
            "value": None if self.value is None else plain(self.value),
            "part": self.part.value,
            "sent": self.sent,
            "sent_unit": self.sent_unit,
            "problem": self.problem,
            "of": self.of,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Quantity:
        value = data.get("value")
        return cls(
            measure=Measure(data["measure"]),
            value=None if value is None else Decimal(value),
            part=Part(data.get("part", "")),
            sent=data.get("sent", ""),
            sent_unit=data.get("sent_unit", ""),
            problem=data.get("problem", ""),
            of=data.get("of", ""),
        )


LONGEST_NUMBER = 32
_MAGNITUDE = 20  # powers of ten, either way


def quantity(
    measure: Measure,
    text: str,
    unit: str,
    part: Part = Part.WHOLE,
    *,
    scheme: str = "UCUM",
) -> Quantity:
    """A number and its coded unit as a quantity; what cannot be understood is kept and told."""
    info = MEASURES[measure]
    sent, sent_unit = text.strip()[:LONGEST_NUMBER], unit.strip()[:LONGEST_NUMBER]

    def flawed(problem: str) -> Quantity:
        return Quantity(
            measure=measure, value=None, part=part, sent=sent, sent_unit=sent_unit, problem=problem
        )

    if "\\" in text:
        return flawed("more than one number")
    if not sent or len(text.strip()) > LONGEST_NUMBER:
        return flawed("no number")
    try:
        number = Decimal(sent)
    except InvalidOperation:
        return flawed("not a number")
    if not number.is_finite():
        return flawed("not a number")
    if number and not -_MAGNITUDE < number.adjusted() < _MAGNITUDE:
        return flawed("out of any range")  # also keeps the digits few: 1E-99999 is short to send
    number = number if number else Decimal(0)
    factor = UNITS[info.dimension].get(sent_unit) if scheme == "UCUM" else None
    if factor is None:
        return flawed(f"unit not understood: {sent_unit or 'none given'}")
    if number < 0:
        return flawed("less than nothing")
    value = number * factor
    if value > info.highest:
        return flawed("out of any range")
    return Quantity(measure=measure, value=value, part=part, sent=sent, sent_unit=sent_unit)


def plain(value: Decimal) -> str:
    """Digits without exponent and without trailing zeros: ``410``, ``0.0032``."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
