"""Events + patient → ADT^A08, ADT^A40 (HL7 v2.5.1 3.3.8 and 3.3.40, IHE RAD-12)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from integration.hl7.from_domain.draft import Draft
from integration.hl7.from_domain.segments import EVN, MRG, PID, PV1, Told, row
from integration.hl7.profiles import Profile
from ris.domain.values import Identifier
from ris.selectors.views import PatientView


def adt_a08(patient: PatientView, at: datetime, profile: Profile) -> Draft:
    """What is known of the patient now."""
    told = Told(profile=profile, at=at, patient=patient, event="A08")
    rows = [row("EVN", EVN, told), row("PID", PID, told), row("PV1", PV1, told)]
    return Draft("ADT", "A08", "ADT_A01", rows)


def adt_a40(
    patient: PatientView, merged: Sequence[Identifier], at: datetime, profile: Profile
) -> Draft:
    """The patient takes over another one's identifiers, which are told in MRG and not in PID."""
    told = Told(
        profile=profile,
        at=at,
        patient=_without(patient, merged),
        event="A40",
        merged=tuple(merged),
    )
    rows = [row("EVN", EVN, told), row("PID", PID, told), row("MRG", MRG, told)]
    return Draft("ADT", "A40", "ADT_A39", rows)


def _without(patient: PatientView, merged: Sequence[Identifier]) -> PatientView:
    kept = tuple(each for each in patient.identifiers if each not in merged)
    return replace(patient, identifiers=kept or patient.identifiers)
