"""What a person types of dose: numbers with the unit that stands beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from django.http import HttpRequest

from ris.domain.dose import ANY_AGE, ANY_WEIGHT, SetReferenceLevel
from ris.domain.errors import InvalidValueError, MissingValueError
from ris.domain.measures import MEASURES, Adding, Measure, Part, Quantity, quantity
from ris.domain.values import Code
from ris.web.asking import number, said


@dataclass(frozen=True, slots=True)
class Field:
    """An input: ``units`` are UCUM codes with what a reader sees, the first is the usual one."""

    name: str
    words: str
    measure: Measure
    units: Sequence[tuple[str, str]]
    part: Part = Part.WHOLE


FIELDS: Sequence[Field] = (
    Field("dlp", "Dose length product (DLP)", Measure.DLP, (("mGy.cm", "mGy·cm"),)),
    Field("ctdi_body", "CTDIvol, 32 cm phantom", Measure.CTDI_VOL, (("mGy", "mGy"),),
          Part.BODY_PHANTOM),
    Field("ctdi_head", "CTDIvol, 16 cm phantom", Measure.CTDI_VOL, (("mGy", "mGy"),),
          Part.HEAD_PHANTOM),
    Field("dap", "Dose area product (DAP)", Measure.DAP,
          (("Gy.cm2", "Gy·cm²"), ("dGy.cm2", "dGy·cm²"), ("cGy.cm2", "cGy·cm²"),
           ("mGy.cm2", "mGy·cm²"), ("uGy.m2", "µGy·m²"), ("Gy.m2", "Gy·m²"))),
    Field("dose_rp", "Dose at the reference point", Measure.DOSE_RP,
          (("mGy", "mGy"), ("Gy", "Gy"))),
    Field("fluoro_time", "Fluoroscopy time", Measure.FLUORO_TIME, (("s", "s"), ("min", "min"))),
    Field("exposures", "Exposures", Measure.EXPOSURES, (("1", ""),)),
    Field("agd_left", "Glandular dose, left", Measure.GLANDULAR_DOSE, (("mGy", "mGy"),),
          Part.LEFT),
    Field("agd_right", "Glandular dose, right", Measure.GLANDULAR_DOSE, (("mGy", "mGy"),),
          Part.RIGHT),
    Field("activity", "Administered activity", Measure.ACTIVITY,
          (("MBq", "MBq"), ("GBq", "GBq"), ("mCi", "mCi"))),
)  # fmt: skip

# Which of them a modality has; what is not named here has those of projection X-ray.
_OF_MODALITY: Mapping[str, tuple[str, ...]] = {
    "CT": ("dlp", "ctdi_body", "ctdi_head"),
    "MG": ("agd_left", "agd_right", "exposures"),
    "NM": ("activity",),
    "PT": ("activity", "dlp", "ctdi_body"),
}
_PROJECTION = ("dap", "dose_rp", "fluoro_time", "exposures")
WITHOUT_RADIATION = frozenset({"US", "MR", "ECG", "ES", "OP", "SM", "DOC", "SR", "OT"})


def fields_for(modalities: Sequence[str]) -> list[Field]:
    """The inputs for an order of these modalities; none if there is no radiation in it."""
    wanted = {
        name
        for modality in modalities
        if modality not in WITHOUT_RADIATION
        for name in _OF_MODALITY.get(modality, _PROJECTION)
    }
    return [field for field in FIELDS if field.name in wanted]


def quantities_said(request: HttpRequest) -> tuple[Quantity, ...]:
    """The values of the form; raises InvalidValueError for one that cannot be understood."""
    found = []
    for field in FIELDS:
        text = _decimal(said(request, field.name, 20))
        if not text:
            continue
        unit = said(request, f"{field.name}_unit", 20) or field.units[0][0]
        if unit not in {code for code, _ in field.units}:
            raise InvalidValueError(f"{field.words}: no such unit", path=field.name)
        one = quantity(field.measure, text, unit, field.part)
        if one.problem:
            raise InvalidValueError(f"{field.words}: {one.problem}", path=field.name)
        found.append(one)
    if not found:
        raise MissingValueError("give at least one value", path="dlp")
    return tuple(found)


def _decimal(text: str) -> str:
    """A decimal comma is a point here; with both in it the number stays as typed and is refused."""
    return text.replace(",", ".") if "." not in text else text


# Measures that an exam has a total of, for the choice of a level.
LEVEL_MEASURES: Sequence[tuple[str, str]] = tuple(
    (measure.value, f"{info.words}, {info.dimension.value}")
    for measure, info in MEASURES.items()
    if info.adding is not Adding.NONE and info.dimension.value
)


def level_said(request: HttpRequest) -> SetReferenceLevel:
    value, _, scheme = said(request, "procedure", 200).partition("|")
    if not value:
        raise MissingValueError("choose a procedure", path="procedure")
    try:
        measure = Measure(said(request, "measure"))
        level = Decimal(_decimal(said(request, "value", 20)))
    except (ValueError, InvalidOperation):
        raise InvalidValueError("a level is a measure and a number", path="value") from None
    from_age, to_age = number(request, "from_age"), number(request, "to_age")
    from_kg, to_kg = number(request, "from_kg"), number(request, "to_kg")
    return SetReferenceLevel(
        code=Code(value, scheme),
        measure=measure,
        value=level,
        from_age=from_age or 0,
        to_age=ANY_AGE if to_age is None else to_age,
        from_kg=from_kg or 0,
        to_kg=ANY_WEIGHT if to_kg is None else to_kg,
        origin=said(request, "origin", 100),
    )
