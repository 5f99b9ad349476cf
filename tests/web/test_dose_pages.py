"""The pages about dose and images: what they show, and what people do on them."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from ris.domain.availability import Availability
from ris.domain.dose import (
    DoseKind,
    DoseSource,
    IrradiationEventDetails,
    RecordDose,
    SetReferenceLevel,
)
from ris.domain.identifiers import new_uid
from ris.domain.measures import Measure, Part, quantity
from ris.domain.values import Identifier
from ris.models import (
    AuditEvent,
    DoseRecord,
    DoseReferenceLevel,
    ExamDose,
    Order,
    StudyAvailability,
)
from ris.services import execute
from tests import make, people
from tests.services.test_availability import tell, uid_of
from tests.web.department import Department, whole

pytestmark = pytest.mark.django_db

As = Callable[[str], Client]


def told(order: Order | None, **overrides: Any) -> DoseRecord:
    """A CT dose report, of the order's exam or of none we know."""
    event = IrradiationEventDetails(
        uid=new_uid(),
        started_at=timezone.now(),
        type="Spiral Acquisition",
        protocol="Head venous",
        region="Head",
        quantities=(
            quantity(Measure.DLP, "410.2", "mGy.cm"),
            quantity(Measure.CTDI_VOL, "54.14", "mGy", Part.HEAD_PHANTOM),
        ),
    )
    fields: dict[str, Any] = {
        "source": DoseSource.RDSR,
        "source_uid": new_uid(),
        "kind": DoseKind.CT,
        "title": "X-Ray Radiation Dose Report",
        "ae_title": "CT1",
        "content_at": timezone.now(),
        "started_at": timezone.now(),
        "totals": (quantity(Measure.DLP, "0.4102", "Gy.cm"),),
        "events": (event,),
    }
    if order is not None:
        number = order.patient.identifiers.get(primary=True)
        fields |= {
            "accession_number": order.accession_number,
            "study_instance_uid": uid_of(order),
            "patient_identifier": Identifier(number.value, number.issuer),
        }
    key = execute(RecordDose(**fields | overrides), actor=people.ct1)
    return DoseRecord.objects.get(public_id=key)


def text(client: Client, path: str) -> str:
    """The words of a page, one space between them."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", whole(client, path)))


# --- what pages show


def test_an_order_shows_its_dose_with_units_and_events(as_: As, full: Department) -> None:
    told(full.unread)

    words = text(as_("technologist"), f"/orders/{full.unread.public_id}/")

    assert "Dose length product (DLP) 410.2 mGy·cm Dose report" in words
    assert "CTDIvol, highest 16 cm phantom 54.14 mGy" in words
    assert "sent as 0.4102 Gy.cm" in words
    assert "Head venous Spiral Acquisition, Head" in words
    assert "CTDIvol, 16 cm phantom: 54.14 mGy" in words


def test_a_unit_that_is_not_understood_is_shown_as_it_came(as_: As, full: Department) -> None:
    told(full.unread, totals=(quantity(Measure.DAP, "3", "Gym2"),), events=())

    words = text(as_("technologist"), f"/orders/{full.unread.public_id}/")

    assert "3 Gym2 not counted: unit not understood: Gym2" in words
    assert "Nothing that was told can be counted." in words


def test_an_exam_without_radiation_asks_for_no_dose(as_: As, full: Department) -> None:
    order = make.order(
        procedures=(make.ProcedureRequest(code=make.CT_HEAD, steps=(
            make.step_request(modality="US"),)),)
    )  # fmt: skip

    words = text(as_("technologist"), f"/orders/{order.public_id}/")

    assert "No dose was told yet." not in words
    assert "Enter a dose" not in words


def test_a_patient_shows_the_dose_of_each_exam(as_: As, full: Department) -> None:
    told(full.unread)
    number = full.unread.patient.identifiers.get(primary=True)
    own = Identifier(number.value, number.issuer)
    told(None, patient_identifier=own, title="From elsewhere", ae_title="XA9")

    words = text(as_("frontdesk"), f"/patients/{full.unread.patient.public_id}/")

    assert "Dose length product (DLP): 410.2 mGy·cm (Dose report)" in words
    assert "From elsewhere fits no exam yet" in words


def test_an_exam_above_its_level_is_flagged(as_: As, full: Department) -> None:
    level = SetReferenceLevel(code=make.CT_HEAD, measure=Measure.DLP, value=Decimal(400))
    execute(level, actor=people.manager)
    told(full.unread)
    above = "Dose length product (DLP): 410.2 mGy·cm, level 400 mGy·cm"

    order = text(as_("radiologist"), f"/orders/{full.unread.public_id}/")
    overview = text(as_("manager"), "/dose/")

    assert f"Above the reference level. {above}" in order
    assert above in overview


def test_the_report_page_has_dose_and_images_beside_the_text(as_: As, full: Department) -> None:
    told(full.drafted)
    tell(uid_of(full.drafted), {"2.25.11": Availability.ONLINE})

    words = text(as_("radiologist"), f"/reports/{full.draft.public_id}/")

    assert "Dose length product (DLP) 410.2 mGy·cm" in words
    assert "Online 1 image" in words


def test_the_reading_list_says_whether_images_are_there(as_: As, full: Department) -> None:
    before = text(as_("radiologist"), "/reading/")
    tell(uid_of(full.unread), {"2.25.11": Availability.ONLINE})

    after = text(as_("radiologist"), "/reading/")

    assert "Images there" not in before
    assert "Images there" in after


def test_what_fits_no_exam_is_an_exception(as_: As, full: Department) -> None:
    told(None, patient_name="Nowak^Jan")
    study = tell(uid_of(full.unread), {"2.25.11": Availability.UNAVAILABLE})

    words = text(as_("technologist"), "/exceptions/")
    home = text(as_("technologist"), "/")

    assert "Doses that fit no exam 1" in words
    assert "NOWAK, Jan" in words
    assert "Images that differ from what the device made 1" in words
    assert study.study_instance_uid in words
    assert "Doses that fit no exam" in home


def test_missing_images_are_an_exception_once_the_archive_is_silent(
    as_: As, full: Department
) -> None:
    study = tell(uid_of(full.unread), {"2.25.11": Availability.ONLINE})
    StudyAvailability.objects.filter(pk=study.pk).update(comparison={"made": 3, "missing": 2})

    soon = text(as_("technologist"), "/exceptions/")
    silent = timezone.now() - timedelta(minutes=11)
    StudyAvailability.objects.filter(pk=study.pk).update(last_told_at=silent)
    later = text(as_("technologist"), "/exceptions/")

    assert "2 of 3 missing" not in soon
    assert "2 of 3 missing" in later


def test_a_look_at_a_document_is_audited(as_: As, full: Department) -> None:
    record = told(full.unread)

    text(as_("technologist"), f"/dose/documents/{record.public_id}/")

    seen = AuditEvent.objects.get(action="ViewDose")
    assert seen.patients == [str(full.unread.patient.public_id)]
    assert seen.order == full.unread


# --- what people do


def test_a_document_is_tied_by_hand(as_: As, full: Department) -> None:
    record = told(None)
    client = as_("technologist")
    page = client.get(f"/dose/documents/{record.public_id}/")

    answer = client.post(
        f"/dose/documents/{record.public_id}/link/",
        {"order": str(full.unread.public_id), "reason": "seen on the console"},
    )

    record.refresh_from_db()
    assert str(full.unread.public_id) in page.content.decode()
    assert answer.status_code == 303
    assert (record.order, record.joined_by) == (full.unread, "by hand")


def test_tying_to_nothing_needs_to_be_said(as_: As, full: Department) -> None:
    record = told(full.unread)
    path = f"/dose/documents/{record.public_id}/link/"

    by_accident = as_("technologist").post(path, {"reason": "x"})
    on_purpose = as_("technologist").post(path, {"reason": "a phantom", "action": "untie"})

    record.refresh_from_db()
    assert (by_accident.status_code, on_purpose.status_code) == (422, 303)
    assert record.order is None


def test_a_document_is_set_aside(as_: As, full: Department) -> None:
    record = told(None)

    as_("technologist").post(
        f"/dose/documents/{record.public_id}/aside/", {"reason": "morning check"}
    )

    record.refresh_from_db()
    assert record.match == "SET ASIDE"
    assert "Doses that fit no exam 1" not in text(as_("technologist"), "/exceptions/")


def test_a_dose_is_typed_in_and_taken_back(as_: As, full: Department) -> None:
    path = f"/orders/{full.unread.public_id}/dose/"
    form = {"entry": new_uid(), "dlp": "410,5", "ctdi_head": "54"}

    for _ in range(2):  # a double click
        assert as_("technologist").post(path, form).status_code == 303

    record = DoseRecord.objects.get()
    (total,) = [t for t in ExamDose.objects.get().totals if t["measure"] == "dlp"]
    assert (total["value"], total["source"]) == ("410.5", "MANUAL")
    assert record.entered_by == "Technologist Muster"
    as_("technologist").post(f"/dose/documents/{record.public_id}/withdraw/", {"reason": "typo"})
    assert not ExamDose.objects.exists()


@pytest.mark.parametrize(
    "form",
    [
        {"dlp": "many"},
        {"dlp": "1.000,5"},
        {"dlp": "-3"},
        {"dap": "3", "dap_unit": "Gym2"},
        {},
    ],
)
def test_a_number_that_makes_no_sense_is_refused(
    as_: As, full: Department, form: dict[str, str]
) -> None:
    answer = as_("technologist").post(
        f"/orders/{full.unread.public_id}/dose/", {"entry": new_uid(), **form}
    )

    assert answer.status_code == 422
    assert not DoseRecord.objects.exists()


def test_a_unit_may_be_chosen(as_: As, full: Department) -> None:
    form = {"entry": new_uid(), "dap": "31.5", "dap_unit": "dGy.cm2"}

    as_("technologist").post(f"/orders/{full.unread.public_id}/dose/", form)

    (total,) = ExamDose.objects.get().totals
    assert (total["measure"], total["value"]) == ("dap", "3.15")


def test_a_manager_sets_and_removes_a_level(as_: As, full: Department) -> None:
    form = {"procedure": "CTHEAD|TEST", "measure": "dlp", "value": "962,5", "origin": "national"}

    as_("manager").post("/dose/levels/", form)

    level = DoseReferenceLevel.objects.get()
    assert (level.value, level.from_age, level.to_age) == (Decimal("962.5"), 0, 200)
    assert "962.5 mGy·cm all ages national" in text(as_("radiologist"), "/dose/levels/")
    as_("manager").post(f"/dose/levels/{level.public_id}/remove/")
    assert not DoseReferenceLevel.objects.exists()


def test_a_difference_of_images_is_dealt_with(as_: As, full: Department) -> None:
    study = tell(uid_of(full.unread), {"2.25.11": Availability.UNAVAILABLE})

    as_("technologist").post(f"/images/{study.public_id}/resolve/", {"note": "archive was down"})

    study.refresh_from_db()
    assert study.resolved_note == "archive was down"


# --- what a role may not do


def test_a_front_desk_has_no_dose_pages(as_: As, full: Department) -> None:
    record = told(None)
    client = as_("frontdesk")

    statuses = {
        client.get(path).status_code
        for path in ("/dose/", "/dose/levels/", f"/dose/documents/{record.public_id}/")
    }

    assert statuses == {403}


@pytest.mark.parametrize("role", ["scheduler", "frontdesk", "radiologist"])
def test_who_may_not_changes_nothing(as_: As, full: Department, role: str) -> None:
    record = told(None)
    study = tell(uid_of(full.unread), {"2.25.11": Availability.UNAVAILABLE})
    key = record.public_id
    posts = {
        f"/dose/documents/{key}/link/": {"order": str(full.unread.public_id), "reason": "x"},
        f"/dose/documents/{key}/aside/": {"reason": "x"},
        f"/dose/documents/{key}/withdraw/": {"reason": "x"},
        f"/orders/{full.unread.public_id}/dose/": {"entry": new_uid(), "dlp": "1"},
        "/dose/levels/": {"procedure": "CTHEAD|TEST", "measure": "dlp", "value": "1"},
        f"/images/{study.public_id}/resolve/": {"note": "x"},
    }

    statuses = {as_(role).post(path, form).status_code for path, form in posts.items()}

    record.refresh_from_db()
    study.refresh_from_db()
    assert statuses == {403}
    assert (record.order, record.match) == (None, "WAITING")
    assert DoseRecord.objects.count() == 1
    assert not DoseReferenceLevel.objects.exists()
    assert study.resolved_at is None
