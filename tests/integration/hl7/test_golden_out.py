"""Golden cases of what leaves: fixtures/hl7/out/<message>/<version>.hl7, read by both oracles.

Each is written from one invented order (``views``) in an old version and a new one; hl7apy and
python-hl7 must see every field as it was written, and the standard's tables find no fault.
``pytest --update-golden`` rewrites what is expected: read the difference.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from integration.hl7.er7_writer import build, msh
from integration.hl7.from_domain.charges import Part, charge, credit
from integration.hl7.from_domain.documents import mdm
from integration.hl7.from_domain.draft import Draft
from integration.hl7.from_domain.images import images_available
from integration.hl7.from_domain.patients import PatientsTold, patient_told
from integration.hl7.from_domain.supplies import supplies
from integration.hl7.profiles import Profile
from ris.domain.orders import StepStatus
from ris.domain.reporting import VersionKind
from ris.domain.values import Identifier
from ris.selectors.documents import DocumentView
from tests.integration.hl7 import oracles, views

FOLDER = Path("fixtures/hl7/out")
FORMER = Identifier("4700", "HOSP", "MR")
PROCEDURE = views.procedure(
    laterality="L",
    steps=(views.step(status=StepStatus.COMPLETED),),
    performed=(views.performed(),),
)
REPORTED = views.procedure(
    steps=(views.step(status=StepStatus.COMPLETED),),
    report=views.report(
        views.version(kind=VersionKind.PRELIMINARY),
        views.version(number=2, signed_at=views.AT + timedelta(hours=1)),
    ),
)

PRINTED = DocumentView(
    public_id="report-1", patient="", order="", title="Report", file_name="report.pdf",
    media_type="application/pdf", content=b"%PDF-1.4 an invented page",
)  # fmt: skip
P, F = VersionKind.PRELIMINARY, VersionKind.FINAL
A, C, R = VersionKind.ADDENDUM, VersionKind.CORRECTION, VersionKind.RETRACTION


def told(name: str, profile: Profile, **payload: object) -> Draft:
    event = views.event(name, patient="patient-1", **payload)
    merged = (FORMER,) if name == "PatientsMerged" else ()
    about = PatientsTold(patient=views.patient(), merged=merged)
    (draft,) = patient_told(event, profile, about)
    return draft


def charged(profile: Profile) -> Draft:
    order = views.order(procedures=(PROCEDURE,))
    return charge(order, PROCEDURE, Part.TECHNICAL, views.AT, profile)


def credited(profile: Profile) -> Draft:
    header = msh(
        sending=profile.own, receiving=profile.peer, at="20260302", message_type=("DFT", "P03"),
        control_id="C0", version=profile.version, charset=profile.charset,
    )  # fmt: skip
    sent = build([header, *charged(profile).rows], charset=profile.charset)
    return credit(sent, views.AT + timedelta(days=1), profile)


def used(profile: Profile) -> Draft:
    order = views.order(procedures=(PROCEDURE,))
    uses = [
        views.use(),
        views.use(code="NACL", name="Saline 0.9 %", amount=Decimal("40.50"), lot=""),
    ]
    return supplies(order, PROCEDURE, uses, views.AT, profile)


def signed(profile: Profile) -> Draft:
    order = views.order(procedures=(REPORTED,))
    return charge(order, REPORTED, Part.PROFESSIONAL, views.AT, profile)


def available(profile: Profile) -> Draft:
    event = views.event("ImagesAvailable", study_instance_uid=views.STUDY_UID, instances=42)
    draft = images_available(event, views.order(procedures=(PROCEDURE,)), profile)
    assert draft is not None
    return draft


def document(*kinds: VersionKind) -> Callable[[Profile], Draft]:
    """The message about the last of these versions, as page and as text."""
    said = {"findings": "No infarct.", "impression": "Normal CT of the head."}
    versions = [
        views.version(
            number=number,
            kind=kind,
            sections={**said, "addendum": "Compared with 2025."} if kind is A else said,
            reason="wrong side" if kind in {C, R} else "",
        )
        for number, kind in enumerate(kinds, start=1)
    ]
    report = replace(views.report(*versions), public_id="0193a1b2-0000-7000-8000-00000000002a")

    def write(profile: Profile) -> Draft:
        order = views.order(procedures=(PROCEDURE,))
        (draft,) = mdm(report, len(kinds), [order], views.AT, profile, PRINTED)
        return draft

    return write


CASES: Mapping[str, tuple[Callable[[Profile], Draft], dict[str, object]]] = {
    "adt_a01": (lambda profile: told("PatientRegistered", profile), {"registrations": "A01"}),
    "adt_a04": (lambda profile: told("PatientRegistered", profile), {"registrations": "A04"}),
    "adt_a28": (lambda profile: told("PatientRegistered", profile), {"registrations": "A28"}),
    "adt_a08": (lambda profile: told("PatientUpdated", profile, changed=("name",)), {}),
    "adt_a40": (lambda profile: told("PatientsMerged", profile, moved={}), {}),
    "adt_a47": (
        lambda profile: told("IdentifiersChanged", profile, previous=[("4700", "HOSP", "MR")]),
        {},
    ),
    "adt_a47_as_a40": (
        lambda profile: told("IdentifiersChanged", profile, previous=[("4700", "HOSP", "MR")]),
        {"identifier_event": "A40"},
    ),
    "dft_p03_technical": (charged, {}),
    "dft_p03_technical_credited": (credited, {}),
    "dft_p03_professional": (signed, {}),
    "dft_p03_supplies": (used, {"charge_supplies": True}),
    "oru_r01_images": (available, {}),
    "mdm_t02_preliminary": (document(P), {"document_content": "both"}),
    "mdm_t02": (document(F), {"document_content": "both"}),
    "mdm_t04": (document(P, F), {"document_content": "both", "document_final": "T04"}),
    "mdm_t06": (document(F, A), {"document_content": "both"}),
    "mdm_t08": (document(F, C), {"document_content": "both", "document_correction": "T08"}),
    "mdm_t10": (document(F, C), {"document_content": "both"}),
    "mdm_t11": (document(F, R), {}),
}


@pytest.mark.parametrize("version", ["2.3.1", "2.5.1"])
@pytest.mark.parametrize("case", CASES)
def test_a_message_is_written_as_it_was_read_and_approved(
    case: str, version: str, golden: Callable[[Path | str, str], None]
) -> None:
    make, settings = CASES[case]
    profile = views.profile(version, **settings)

    text = oracles.written(make(profile), profile)

    golden(FOLDER / case / f"{version}.hl7", text.replace("\r", "\n"))
