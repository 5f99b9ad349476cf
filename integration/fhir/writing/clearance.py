"""Observation, AllergyIntolerance, Coverage: kept as they come, and what of them the core uses.

Results with LOINC codes and allergies fill safety questions in (FHIR R4 Observation,
AllergyIntolerance); a Coverage says who pays. What cannot be read stays kept and is not used.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from integration.fhir.from_domain.datatypes import Resource
from integration.fhir.writing.beside import KeptBesideOurs
from integration.fhir.writing.kept import KeptResources
from integration.fhir.writing.request import Writer
from ris.domain.authorization import CoverageDetails, RecordCoverage
from ris.domain.patients import PatientReference
from ris.domain.safety import ALLERGY, OBSERVED, WEIGHT, Observed, RecordObservations, number_of

# What of a result is not to be believed (FHIR R4 observation-status).
_NOT_A_RESULT = frozenset({"cancelled", "entered-in-error", "unknown"})


def _record(
    writer: Writer, public_id: str, patient: str, said: Observed | None, before: Observed | None
) -> None:
    """Keep what it says; take back what an earlier version said."""
    if not patient or (said is None and before is None):
        return
    writer.execute(
        RecordObservations(
            patient=PatientReference(public_id=patient),
            observations=(said,) if said else (),
            withdrawn=(f"{writer.kind.name}/{public_id}",),
        )
    )


@dataclass(frozen=True)
class Observations(KeptBesideOurs):
    """Writes of Observation resources, which may be about the report that they belong to."""

    later = "focus"

    def written(
        self,
        writer: Writer,
        public_id: str,
        resource: Resource,
        patient: str,
        before: Resource | None = None,
    ) -> None:
        known = observed(before, public_id) if before else None
        _record(writer, public_id, patient, observed(resource, public_id), known)

    def delete(self, writer: Writer, before: Resource) -> None:
        super().delete(writer, before)
        patient = self.patient(writer, before)
        _record(writer, writer.public_id, patient, None, observed(before, writer.public_id))


class Allergies(KeptResources):
    """Writes of AllergyIntolerance resources."""

    def written(
        self,
        writer: Writer,
        public_id: str,
        resource: Resource,
        patient: str,
        before: Resource | None = None,
    ) -> None:
        known = allergy(before, public_id) if before else None
        _record(writer, public_id, patient, allergy(resource, public_id), known)

    def delete(self, writer: Writer, before: Resource) -> None:
        super().delete(writer, before)
        patient = self.patient(writer, before)
        _record(writer, writer.public_id, patient, None, allergy(before, writer.public_id))


class Coverages(KeptResources):
    """Writes of Coverage resources."""

    def written(
        self,
        writer: Writer,
        public_id: str,
        resource: Resource,
        patient: str,
        before: Resource | None = None,
    ) -> None:
        self._keep(writer, public_id, resource, patient, ended=not is_in_force(resource))

    def delete(self, writer: Writer, before: Resource) -> None:
        super().delete(writer, before)
        self._keep(writer, writer.public_id, before, self.patient(writer, before), ended=True)

    def _keep(
        self, writer: Writer, public_id: str, resource: Resource, patient: str, *, ended: bool
    ) -> None:
        said = coverage(resource)
        if not patient or said is None:
            return
        writer.execute(
            RecordCoverage(
                patient=PatientReference(public_id=patient),
                coverage=said,
                source="FHIR",
                key=f"Coverage/{public_id}",
                ended=ended,
            )
        )


# --- what they say


def observed(resource: Mapping[str, Any], public_id: str) -> Observed | None:
    """A result that a safety question may ask for; None for any other."""
    if resource.get("status") in _NOT_A_RESULT:
        return None
    codings = _codings(resource.get("code"))
    code = next((each for each in codings if each.get("code") in OBSERVED), None)
    value, unit = _value(resource)
    observed_at = _observed_at(resource)
    if code is not None and code["code"] in WEIGHT:
        value, unit = _kilograms(value, unit)
    # Of a result without its time nobody knows whether it is still true.
    if code is None or not value or observed_at is None:
        return None
    return Observed(
        code=str(code["code"]),
        value=value,
        unit=unit,
        meaning=str(code.get("display", "")),
        observed_at=observed_at,
        key=f"Observation/{public_id}",
    )


def _observed_at(resource: Mapping[str, Any]) -> datetime | None:
    """The earliest moment it may be of (Observation.effective), else when it was told."""
    period = resource.get("effectivePeriod")
    if isinstance(period, dict):
        return _moment(period.get("start"))
    said = (resource.get(name) for name in ("effectiveDateTime", "effectiveInstant", "issued"))
    return _moment(next((each for each in said if each), None))


# UCUM, and what people write. Another unit says nothing here, for a dose may follow from it.
_KILOGRAMS = {"kg": 1.0, "g": 0.001, "[lb_av]": 0.45359237, "lb": 0.45359237, "lbs": 0.45359237}


def _kilograms(value: str, unit: str) -> tuple[str, str]:
    factor = _KILOGRAMS.get(unit.strip().lower())
    number = number_of(value)
    return (f"{number * factor:.4g}", "kg") if factor and number else ("", "")


def _value(resource: Mapping[str, Any]) -> tuple[str, str]:
    quantity = resource.get("valueQuantity")
    if isinstance(quantity, dict) and quantity.get("value") is not None:
        sign = quantity.get("comparator") or ""
        return f"{sign}{quantity['value']}", str(quantity.get("code") or quantity.get("unit") or "")
    coded = next(iter(_codings(resource.get("valueCodeableConcept"))), None)
    if coded is not None:
        return str(coded.get("code", "")), ""
    return str(resource.get("valueString") or resource.get("valueInteger") or ""), ""


def allergy(resource: Mapping[str, Any], public_id: str) -> Observed | None:
    """An allergy that is not refuted and not over."""
    states = {
        each.get("code")
        for name in ("clinicalStatus", "verificationStatus")
        for each in _codings(resource.get(name))
    }
    codings = _codings(resource.get("code"))
    if any(each.get("code") in _NO_ALLERGY for each in codings):
        return None
    words = (
        _words(resource.get("code"))
        or next((text for each in resource.get("reaction") or () if (text := _substance(each))), "")
        or next((str(each["code"]) for each in codings if each.get("code")), "")
    )
    if not words or states & {"inactive", "resolved", "refuted", "entered-in-error"}:
        return None
    return Observed(
        code=ALLERGY,
        value=words[:100],
        observed_at=_moment(resource.get("recordedDate")),
        key=f"AllergyIntolerance/{public_id}",
    )


# SNOMED CT: no known allergy, and none to drugs, food or the environment.
_NO_ALLERGY = frozenset({"716186003", "409137002", "429625007", "428607008"})


def _substance(reaction: object) -> str:
    return _words(reaction.get("substance")) if isinstance(reaction, dict) else ""


def coverage(resource: Mapping[str, Any]) -> CoverageDetails | None:
    """Who pays; None if nobody is named."""
    payers = resource.get("payor")
    payer = next((each for each in payers or () if isinstance(each, dict)), {})
    identifier = payer.get("identifier")
    name = payer.get("display") or (
        identifier.get("value", "") if isinstance(identifier, dict) else ""
    )
    if not name:
        return None
    period = resource.get("period")
    period = period if isinstance(period, dict) else {}
    classes = {
        kind.get("code"): each.get("name") or each.get("value", "")
        for each in resource.get("class") or ()
        if isinstance(each, dict)
        for kind in _codings(each.get("type"))
    }
    return CoverageDetails(
        payer=str(name)[:200],
        plan=str(classes.get("plan") or _words(resource.get("type")))[:200],
        member_number=str(resource.get("subscriberId", ""))[:64],
        group_number=str(classes.get("group", ""))[:64],
        valid_from=_day(period.get("start")),
        valid_until=_day(period.get("end")),
    )


def is_in_force(resource: Mapping[str, Any]) -> bool:
    return bool(resource.get("status") == "active")


def _codings(concept: object) -> list[dict[str, Any]]:
    found = concept.get("coding") if isinstance(concept, dict) else None
    return [each for each in found or () if isinstance(each, dict)]


def _words(concept: object) -> str:
    text = concept.get("text") if isinstance(concept, dict) else ""
    shown = next((each["display"] for each in _codings(concept) if each.get("display")), "")
    return str(text or shown)


def _moment(text: object) -> datetime | None:
    """A dateTime; a day, a month or a year alone is its first instant."""
    with suppress(ValueError):
        if isinstance(text, str) and text:
            at = datetime.fromisoformat(f"{text}-01-01"[:10] if len(text) < 10 else text)
            return at if at.tzinfo else at.replace(tzinfo=UTC)
    return None


def _day(text: object) -> date | None:
    with suppress(ValueError):
        return date.fromisoformat(text[:10]) if isinstance(text, str) else None
    return None
