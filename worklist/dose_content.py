"""What dose reports hold, read from their content trees (PS3.16 TID 10001 to 10013, 10021, 10030).

By concept, not by place: a value is found wherever a template or its edition puts it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import tzinfo

from ris.domain.dose import DoseKind, IrradiationEventDetails
from ris.domain.errors import InvalidValueError
from ris.domain.identifiers import require_sent_uid
from ris.domain.measures import Measure, Part, Quantity, quantity
from worklist.dose_tree import Item, time_of


@dataclass(frozen=True, slots=True)
class Content:
    kind: DoseKind
    totals: tuple[Quantity, ...]
    events: tuple[IrradiationEventDetails, ...]


def _quantity(item: Item, measure: Measure, part: Part = Part.WHOLE) -> Quantity:
    return quantity(measure, item.number, item.unit.value, part, scheme=item.unit.scheme)


_PHANTOMS: Mapping[str, Part] = {"113690": Part.HEAD_PHANTOM, "113691": Part.BODY_PHANTOM}
_PLANES: Mapping[str, Part] = {
    "113620": Part.PLANE_A,
    "113621": Part.PLANE_B,
    "113622": Part.WHOLE,
    "113890": Part.ALL_PLANES,
}
# SNOMED CT, and the older codes of the same concepts.
_SIDES: Mapping[str, Part] = {
    "7771000": Part.LEFT, "80248007": Part.LEFT, "T-04030": Part.LEFT, "G-A101": Part.LEFT,
    "24028007": Part.RIGHT, "73056007": Part.RIGHT, "T-04020": Part.RIGHT, "G-A100": Part.RIGHT,
    "51440002": Part.BOTH, "63762007": Part.BOTH, "T-04080": Part.BOTH, "G-A102": Part.BOTH,
}  # fmt: skip
_LATERALITY = frozenset({"272741003", "G-C171", "111027"})
_MAMMOGRAPHY = frozenset({"71651007", "P5-40010", "R-0036D"})

_ACCUMULATED = ("113811", "113702", "130500")
_EVENT = ("113819", "113706", "130501")

# NUM concepts of the accumulated dose, whatever template it is (TID 10004 to 10007, 10012).
TOTALS: Mapping[str, Measure] = {
    "113812": Measure.EVENTS,
    "113813": Measure.DLP,
    "130745": Measure.DLP,
    "113814": Measure.EFFECTIVE_DOSE,
    "113722": Measure.DAP,
    "113726": Measure.DAP_FLUORO,
    "113727": Measure.DAP_ACQUISITION,
    "113725": Measure.DOSE_RP,
    "113728": Measure.DOSE_RP_FLUORO,
    "113729": Measure.DOSE_RP_ACQUISITION,
    "113730": Measure.FLUORO_TIME,
    "113855": Measure.ACQUISITION_TIME,
    "113731": Measure.FRAMES,
    "111637": Measure.GLANDULAR_DOSE,
}
# NUM concepts of one event (TID 10003, 10013).
OF_EVENT: Mapping[str, Measure] = {
    "113830": Measure.CTDI_VOL,
    "113838": Measure.DLP,
    "113839": Measure.EFFECTIVE_DOSE,
    "122130": Measure.DAP,
    "113738": Measure.DOSE_RP,
    "111631": Measure.GLANDULAR_DOSE,
    "113733": Measure.KVP,
    "113734": Measure.TUBE_CURRENT,
    "113736": Measure.EXPOSURE,
    "113824": Measure.EXPOSURE_TIME,
    "113742": Measure.EXPOSURE_TIME,
    "113825": Measure.SCANNING_LENGTH,
    "113768": Measure.PULSES,
}


def x_ray(root: Item, zone: tzinfo) -> Content:
    """CT (TID 10011), projection X-ray and mammography (TID 10001), enhanced (TID 10040)."""
    totals = tuple(
        one for container in root.outermost(*_ACCUMULATED) for one in _accumulated(container)
    )
    events = tuple(_event(container, zone) for container in root.outermost(*_EVENT))
    return Content(_kind(root, totals), totals, events)


def _kind(root: Item, totals: tuple[Quantity, ...]) -> DoseKind:
    if root.some("113811", "113819") is not None:
        return DoseKind.CT
    procedure = root.first("121058")
    mammography = procedure is not None and (
        procedure.code.value in _MAMMOGRAPHY
        or any(item.code.value in _MAMMOGRAPHY for item in procedure.below())
    )
    if mammography or any(one.measure is Measure.GLANDULAR_DOSE for one in totals):
        return DoseKind.MAMMOGRAPHY
    return DoseKind.PROJECTION


def _accumulated(container: Item) -> list[Quantity]:
    """The totals of one container; a projection system has one for each plane."""
    plane = _plane(container)
    found = []
    for item in container.below():
        measure = TOTALS.get(item.name.value) if item.name.scheme == "DCM" else None
        if measure is None or item.value_type != "NUM":
            continue
        part = _side(item) or plane
        if item.is_named("130745"):
            part = _phantom(item) or part
        found.append(_quantity(item, measure, part))
    return found


def _plane(container: Item) -> Part:
    plane = container.first("113764")
    return _PLANES.get(plane.code.value, Part.WHOLE) if plane else Part.WHOLE


def _phantom(item: Item) -> Part | None:
    phantom = item.some("113835")
    return _PHANTOMS.get(phantom.code.value) if phantom else None


def _side(item: Item) -> Part | None:
    for below in item.children:
        if below.name.value in _LATERALITY:
            return _SIDES.get(below.code.value)
    return None


def _event(container: Item, zone: tzinfo) -> IrradiationEventDetails:
    plane = _plane(container)
    region = container.some("123014")
    side = _side(container) or (_side_of_region(region) if region else None)
    phantom = _phantom(container)
    quantities: dict[tuple[Measure, Part], Quantity] = {}
    for item in container.below():
        measure = OF_EVENT.get(item.name.value) if item.name.scheme == "DCM" else None
        if measure is None or item.value_type != "NUM":
            continue
        part = plane
        if measure is Measure.CTDI_VOL:
            part = phantom or Part.WHOLE
        elif measure is Measure.GLANDULAR_DOSE:
            part = _side(item) or side or Part.WHOLE
        # A value may be repeated for each pulse or source; the first stands for the event.
        quantities.setdefault((measure, part), _quantity(item, measure, part))
    uid = container.some("113769")
    return IrradiationEventDetails(
        uid=_event_uid(uid.uid if uid else ""),
        started_at=time_of(container, "111526", zone),
        type=_words(container.some("113820", "113721")),
        protocol=_words(container.some("125203")),
        region=_words(region),
        quantities=tuple(quantities.values()),
    )


def _side_of_region(region: Item) -> Part | None:
    return _side(region) or _SIDES.get(region.code.value)


def _event_uid(text: str) -> str:
    try:
        return require_sent_uid(text, "(0040,A124)") if text else ""
    except InvalidValueError:
        return ""


def _words(item: Item | None) -> str:
    return (item.code.words or item.text)[:200] if item is not None else ""


# --- radiopharmaceuticals and patient dose

_AGENT = frozenset({"349358000", "F-61FDB"})
_FINDING_SITE = frozenset({"363698007", "G-C0E3"})


def radiopharmaceutical(root: Item, zone: tzinfo) -> Content:
    """TID 10021: each administration is an event with an activity; organ doses are shown only."""
    events = []
    totals: list[Quantity] = []
    for container in root.outermost("113502"):
        activity = container.some("113507")
        own = (_quantity(activity, Measure.ACTIVITY),) if activity is not None else ()
        totals += own
        uid = container.some("113503")
        agent = next((i for i in container.below() if i.name.value in _AGENT), None)
        events.append(
            IrradiationEventDetails(
                uid=_event_uid(uid.uid if uid else ""),
                started_at=time_of(container, "123003", zone),
                type="Administration",
                protocol=_words(agent),
                quantities=own,
            )
        )
    totals += [
        replace(_quantity(item, Measure.ABSORBED_DOSE), of=_site(item))
        for item in root.within("113518")
        if item.value_type == "NUM"
    ][:100]
    return Content(DoseKind.NUCLEAR, tuple(totals), tuple(events))


_ABSORBED = ("128513", "128531", "128532", "128533", "128534", "128539")


def patient_dose(root: Item) -> Content:
    """TID 10030: what a model makes of a dose, for each organ; never added to what was measured."""
    found = (item for item in root.within(*_ABSORBED) if item.value_type == "NUM")
    totals = tuple(
        replace(_quantity(item, Measure.ABSORBED_DOSE), of=_site(item) or item.name.words)
        for _, item in zip(range(200), found, strict=False)
    )
    return Content(DoseKind.PATIENT, totals, ())


def _site(item: Item) -> str:
    site = next((i for i in item.below() if i.name.value in _FINDING_SITE), None)
    return _words(site)
