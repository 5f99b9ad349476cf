"""What archives say they have, beside what devices say they made."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from ris.domain.availability import (
    Availability,
    InstanceDetails,
    RecordAvailability,
    ResolveAvailability,
    SeriesAvailabilityDetails,
    compare,
)
from ris.domain.corrections import UndoCorrection
from ris.domain.performing import (
    CompletePerformedStep,
    DiscontinuePerformedStep,
    PerformedDetails,
)
from ris.domain.values import Code, Identifier
from ris.models import DomainEvent, Order, PerformedProcedureStep, StudyAvailability
from ris.selectors import availability
from ris.services import execute
from ris.services.availability import pack, unpack
from ris.services.timers import run_due
from tests import make, people
from tests.make import NOON

pytestmark = pytest.mark.django_db

ONLINE, NEARLINE = Availability.ONLINE, Availability.NEARLINE
OFFLINE, UNAVAILABLE = Availability.OFFLINE, Availability.UNAVAILABLE


@pytest.fixture(autouse=True)
def _site() -> None:
    make.site()
    make.device()


def uid_of(order: Order) -> str:
    return make.step_of(order).procedure.study_instance_uid


def tell(study: str, instances: dict[str, Availability], **overrides: Any) -> StudyAvailability:
    fields: dict[str, Any] = {
        "study_instance_uid": study,
        "series": (
            SeriesAvailabilityDetails(
                series_instance_uid="2.25.1",
                instances=tuple(
                    InstanceDetails(
                        sop_instance_uid=uid, availability=one, retrieve_ae_titles=("PACS",)
                    )
                    for uid, one in instances.items()
                ),
            ),
        ),
        "told_by": "PACS",
    }
    key = execute(RecordAvailability(**fields | overrides), actor=people.ct1)
    return StudyAvailability.objects.get(public_id=key)


def made(*uids: str) -> dict[str, Any]:
    """The Performed Series Sequence of an N-SET, as DICOM JSON."""
    images = [{"00081155": {"vr": "UI", "Value": [uid]}} for uid in uids]
    series = {
        "0020000E": {"vr": "UI", "Value": ["2.25.1"]},
        "00081140": {"vr": "SQ", "Value": images},
        "00400220": {"vr": "SQ"},
    }
    return {"00400340": {"vr": "SQ", "Value": [series]}}


def begun(order: Order) -> str:
    command = make.start(order)
    execute(command, actor=people.ct1)
    return command.sop_instance_uid


def end(uid: str, dataset: dict[str, Any], reason: Code | None = None) -> None:
    details = PerformedDetails(ended_at=NOON + timedelta(minutes=9), discontinuation_reason=reason)
    kind = DiscontinuePerformedStep if reason else CompletePerformedStep
    execute(kind(sop_instance_uid=uid, details=details, dataset=dataset), actor=people.ct1)


def test_all_instances_at_hand_are_available_images() -> None:
    order = make.performed()

    row = tell(uid_of(order), {"2.25.11": ONLINE, "2.25.12": NEARLINE})

    assert (row.order, row.images) == (order, "AVAILABLE")
    assert row.counts == {"ONLINE": 1, "NEARLINE": 1}
    event = DomainEvent.objects.get(name="ImagesAvailable")
    assert (event.order, event.payload["instances"]) == (order, 2)
    assert event.payload["retrieve_ae_titles"] == ["PACS"]


def test_a_part_is_told_as_a_part_and_then_as_all() -> None:
    order = make.booked()
    end(begun(order), made("2.25.11", "2.25.12", "2.25.13"))

    first = tell(uid_of(order), {"2.25.11": ONLINE})
    then = tell(uid_of(order), {"2.25.12": ONLINE, "2.25.13": ONLINE})

    assert (first.images, first.comparison["missing"]) == ("PARTIAL", 2)
    assert first.comparison["missing_uids"] == ["2.25.12", "2.25.13"]
    assert (then.images, then.comparison["missing"]) == ("AVAILABLE", 0)
    names = DomainEvent.objects.filter(subject_type="StudyAvailability").order_by("id")
    assert [one.name for one in names] == ["ImagesPartlyAvailable", "ImagesAvailable"]


def test_the_same_notice_again_is_no_news() -> None:
    order = make.performed()

    for _ in range(3):
        tell(uid_of(order), {"2.25.11": ONLINE})

    assert DomainEvent.objects.filter(name="ImagesAvailable").count() == 1


def test_an_instance_that_nobody_made_is_shown() -> None:
    order = make.booked()
    end(begun(order), made("2.25.11"))

    row = tell(uid_of(order), {"2.25.11": ONLINE, "2.25.99": ONLINE})

    assert (row.images, row.comparison["extra"]) == ("AVAILABLE", 1)
    (line,) = availability.differing_lines()
    assert line.comparison.extra_uids == ("2.25.99",)


def test_a_notice_before_the_device_ended_is_compared_then() -> None:
    order = make.booked()
    uid = begun(order)
    tell(uid_of(order), {"2.25.11": ONLINE})

    end(uid, made("2.25.11", "2.25.12"))

    row = StudyAvailability.objects.get()
    assert (row.images, row.comparison["missing"]) == ("PARTIAL", 1)


@pytest.mark.parametrize(
    ("said", "images"),
    [(OFFLINE, "PARTIAL"), (UNAVAILABLE, "UNAVAILABLE"), (ONLINE, "AVAILABLE")],
)
def test_what_must_be_fetched_is_not_there(said: Availability, images: str) -> None:
    assert tell("2.25.5", {"2.25.11": said}).images == images


def test_images_that_go_away_are_told() -> None:
    order = make.performed()
    tell(uid_of(order), {"2.25.11": ONLINE})

    row = tell(uid_of(order), {"2.25.11": UNAVAILABLE})

    assert row.images == "UNAVAILABLE"
    assert DomainEvent.objects.get(name="ImagesUnavailable").payload["expected"] is False
    assert availability.differing().count() == 1


def test_no_images_after_the_wrong_entry_is_expected() -> None:
    order = make.booked()
    uid = begun(order)
    end(uid, made("2.25.11"), Code("110514", "DCM", "Incorrect worklist entry selected"))

    row = tell(uid_of(order), {"2.25.11": UNAVAILABLE}, performed_uids=(uid,))

    assert (row.images, row.unavailable_expected) == ("UNAVAILABLE", True)
    assert DomainEvent.objects.get(name="ImagesUnavailable").payload["expected"] is True
    assert not availability.differing().exists()


def test_images_of_the_wrong_entry_are_not_images_of_its_exam() -> None:
    order = make.booked()
    uid = begun(order)
    tell(uid_of(order), {"2.25.11": ONLINE, "2.25.12": ONLINE})

    end(uid, made("2.25.11"), Code("110514", "DCM", "Incorrect worklist entry selected"))

    row = StudyAvailability.objects.get()
    assert (row.images, row.comparison["extra"]) == ("UNAVAILABLE", 2)
    names = DomainEvent.objects.filter(name__startswith="Images").order_by("id")
    assert [event.name for event in names] == ["ImagesAvailable", "ImagesUnavailable"]
    assert availability.differing().get() == row


def test_images_told_of_after_the_wrong_entry_are_no_news_for_its_exam() -> None:
    order = make.booked()
    end(begun(order), made("2.25.11"), Code("110514", "DCM", "Incorrect worklist entry selected"))

    row = tell(uid_of(order), {"2.25.11": ONLINE})

    assert (row.images, row.comparison["extra"]) == ("UNAVAILABLE", 1)
    assert not DomainEvent.objects.filter(name="ImagesAvailable").exists()


def test_what_the_wrong_entry_left_is_extra_beside_the_right_exam() -> None:
    order = make.booked()
    end(begun(order), made("2.25.11"), Code("110514", "DCM", "Incorrect worklist entry selected"))
    end(begun(order), {})

    row = tell(uid_of(order), {"2.25.11": ONLINE, "2.25.21": ONLINE})

    assert (row.images, row.comparison["extra_uids"]) == ("AVAILABLE", ["2.25.11"])
    assert availability.differing().get() == row


@pytest.mark.parametrize("own", ["", "2.25.4711"])
def test_images_follow_an_exam_that_is_tied_to_another_order(own: str) -> None:
    wrong, right = make.booked(), make.booked(NOON + timedelta(hours=1))
    said = make.start(wrong).references[0]
    command = make.start(
        wrong, references=(replace(said, study_instance_uid=own or said.study_instance_uid),)
    )
    execute(command, actor=people.ct1)
    end(command.sop_instance_uid, made("2.25.11"))
    row = tell(own or said.study_instance_uid, {"2.25.11": ONLINE})
    performed = PerformedProcedureStep.objects.get()
    assert row.order == wrong

    make.relink(performed, right)
    row.refresh_from_db()
    tied = row.order
    execute(
        UndoCorrection(
            correction=str(performed.corrections.get().public_id), reason="it was right before"
        ),
        actor=people.technologist,
    )
    row.refresh_from_db()

    assert (tied, row.order) == (right, wrong)
    news = DomainEvent.objects.filter(name="ImagesAvailable").order_by("id")
    assert [event.order for event in news] == [wrong, right, wrong]


def test_images_of_an_exam_that_was_untied_are_nobodys() -> None:
    order = make.booked()
    uid = begun(order)
    end(uid, made("2.25.11"))
    row = tell(uid_of(order), {"2.25.11": ONLINE})

    make.relink(PerformedProcedureStep.objects.get())

    row.refresh_from_db()
    assert (row.order, row.images) == (None, "AVAILABLE")
    assert availability.images_of([str(order.public_id)]) == {}
    assert availability.due_to_join() == []


def test_images_of_another_patient_are_not_those_of_the_exam_they_name() -> None:
    order = make.booked()
    command = make.start(order, patient_identifier=Identifier("SOMEBODY", "HOSP"))
    execute(command, actor=people.ct1)
    end(command.sop_instance_uid, made("2.25.11"))

    row = tell(uid_of(order), {"2.25.11": ONLINE})

    assert PerformedProcedureStep.objects.get().match == "MISMATCH"
    assert row.order is None
    assert availability.due_to_join() == []


def test_a_study_told_of_before_its_order_finds_it() -> None:
    order = make.performed()
    study = uid_of(order)
    tell("2.25.4711", {"2.25.11": ONLINE})
    StudyAvailability.objects.update(
        study_instance_uid=study, updated_at=timezone.now() - timedelta(hours=1)
    )

    run_due()

    assert StudyAvailability.objects.get().order == order
    news = DomainEvent.objects.filter(name="ImagesAvailable").order_by("id").last()
    assert news is not None
    assert news.order == order


def test_a_difference_can_be_dealt_with_until_there_is_news() -> None:
    row = tell("2.25.5", {"2.25.11": UNAVAILABLE})

    execute(
        ResolveAvailability(study=str(row.public_id), note="deleted on purpose"),
        actor=people.technologist,
    )
    settled = availability.differing().count()
    tell("2.25.5", {"2.25.12": UNAVAILABLE})

    assert (settled, availability.differing().count()) == (0, 1)


def test_lists_know_the_images_of_many_orders_at_once() -> None:
    order = make.performed()
    tell(uid_of(order), {"2.25.11": ONLINE})

    assert availability.images_of([str(order.public_id), "0" * 32]) == {
        str(order.public_id): "AVAILABLE"
    }


def test_packed_instances_are_small_and_whole() -> None:
    instances = {f"1.2.840.99999.1.2.3.4567.{number}": ONLINE for number in range(3000)}

    packed = pack(instances)

    assert unpack(packed) == instances
    assert len(packed) < 20_000


def test_what_was_never_listed_is_not_called_extra() -> None:
    assert compare([], {"2.25.1": ONLINE}).extra == 0
