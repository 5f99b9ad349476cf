"""OBX and IN1 → results that safety questions are about, and insurances (HL7 v2.5.1 6.5.6, 7.4.2).

An OBX is told in the order's comments as well (:mod:`.order_parts`), for people to read; here only
LOINC codes count, for a question is answered by no look-alike. What is wrong with one of them is no
reason to refuse an order: it is left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, date, tzinfo
from typing import Any

from integration.hl7 import times
from integration.hl7.er7 import Group
from integration.hl7.er7_segment import Segment
from integration.hl7.profiles import Profile
from integration.hl7.to_domain.patient import NOT_A_RESULT, is_measure
from ris.domain.authorization import CoverageDetails, RecordCoverage
from ris.domain.commands import Command
from ris.domain.errors import RisError
from ris.domain.patients import PatientReference
from ris.domain.safety import OBSERVED, AnswerSource, Observed, RecordObservations

_MOST = 20


def commands(
    message: Group, group: Group, reference: PatientReference, profile: Profile
) -> Sequence[Command[Any]]:
    """What is to be kept beside the message's own command; most often nothing.

    Results stand in the ``group`` of an order, insurances in the part about the patient.
    """
    who = PatientReference(public_id=reference.public_id, identifiers=reference.identifiers)
    found: list[Command[Any]] = []
    observed = observations(group, profile)
    if observed:
        found.append(
            RecordObservations(patient=who, observations=observed, source=AnswerSource.HL7)
        )
    found += [
        RecordCoverage(patient=who, coverage=coverage, source="HL7")
        for coverage in coverages(message)
    ]
    return found


def observations(group: Group, profile: Profile) -> tuple[Observed, ...]:
    """The results with LOINC codes that questions may ask for."""
    found = (_observed(obx, profile.zone) for obx in group.segments("OBX")[:50])
    return tuple(each for each in found if each is not None)[:_MOST]


def _observed(obx: Segment, zone: tzinfo) -> Observed | None:
    code = (obx.get("3.1") or "").strip()
    value = _value(obx)
    if code not in OBSERVED or not value or (obx.get("11") or "") in NOT_A_RESULT:
        return None
    if is_measure(obx):
        return None  # weight and pregnancy stand in the patient's record
    at = None
    with suppress(RisError):
        text = obx.get("14") or ""
        at = times.read(text, zone).at.astimezone(UTC) if text else None
    return Observed(
        code=code,
        value=value,
        unit=(obx.get("6.1") or "").strip(),
        meaning=(obx.get("3.2") or "").strip(),
        observed_at=at,
    )


def _value(obx: Segment) -> str:
    """OBX-5 with its comparator, which of a structured number (SN) is a part of its own: that a
    kidney is below what a laboratory measures must not look like what it measured last."""
    parts = ("5.1", "5.2") if (obx.get("2") or "") == "SN" else ("5.1",)
    return "".join((obx.get(part) or "").strip() for part in parts).lstrip("=").strip()


def coverages(group: Group) -> tuple[CoverageDetails, ...]:
    """The insurances that name their company."""
    found = (_coverage(in1) for in1 in group.segments("IN1")[:5])
    return tuple(each for each in found if each is not None)


def _coverage(in1: Segment) -> CoverageDetails | None:
    payer = (in1.get("4.1") or in1.get("3.1") or "").strip()
    if not payer:
        return None
    return CoverageDetails(
        payer=payer[:200],
        plan=(in1.get("2.2") or in1.get("2.1") or "").strip()[:200],
        member_number=(in1.get("49.1") or in1.get("36") or "").strip()[:64],
        group_number=(in1.get("8") or "").strip()[:64],
        valid_from=_date(in1.get("12")),
        valid_until=_date(in1.get("13")),
    )


def _date(text: str | None) -> date | None:
    with suppress(RisError, ValueError):
        return date.fromisoformat(times.read_date(text[:8]).text) if text else None
    return None
