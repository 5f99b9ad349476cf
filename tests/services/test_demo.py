"""The demo site: every state, every exception, by messages and commands only."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.conf import settings
from django.db import connection, transaction
from pytest_django import DjangoDbBlocker

from ris import demo
from ris.checks import DEMO_KEY
from ris.demo.cast import LOGINS
from ris.demo.site import PUBLIC_WORD
from ris.domain.actors import Role
from ris.domain.exchange import DeliveryState, MessageState
from ris.domain.orders import OrderStatus, Stage, StepStatus
from ris.domain.performing import Match, Origin
from ris.domain.reporting import ReportStatus
from ris.domain.scheduling import AppointmentStatus
from ris.models import (
    Appointment,
    AuditEvent,
    Block,
    Booking,
    Closure,
    CriticalResult,
    Delivery,
    Device,
    DomainEvent,
    DoseRecord,
    Endpoint,
    ExamDose,
    Holiday,
    InboundMessage,
    Order,
    Patient,
    PerformedProcedureStep,
    ProcedureDefinition,
    ProtocolDefinition,
    Protocoling,
    Report,
    RequestedProcedure,
    ResourceGroup,
    ResourceHours,
    ScheduledProcedureStep,
    StaffMember,
    User,
    WorklistSighting,
)
from ris.selectors import exceptions
from ris.selectors.accounts import roles_of, token_for

NOW = datetime(2026, 3, 4, 10, 32, 17, tzinfo=UTC)
# What it may cost to load, in statements: the demo must be there within seconds of `make run`.
# A booking looks at hours, holidays, kept times and the waiting list: eight statements more. What
# follows from reports (findings, letters, notices, objects) made it four thousand more, a receiver
# that was set to the wrong letters for a moment a hundred, nine protocols that fit their exams two
# hundred and sixty, looking at a report's exams when it is opened and signed two hundred and forty;
# PostgreSQL's locks are three hundred.
STATEMENTS = 23_100


@pytest.fixture(scope="module")
def statements(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[int]:
    """The demo site, loaded once for this module; gives the number of statements it took."""
    with django_db_blocker.unblock(), transaction.atomic():
        counted = 0

        def count(execute: Any, *arguments: Any) -> Any:
            nonlocal counted
            counted += 1
            return execute(*arguments)

        with connection.execute_wrapper(count):
            demo.fill(NOW)
        yield counted
        transaction.set_rollback(True)


@pytest.fixture
def _site(statements: int, db: None) -> Iterator[None]:
    """For tests that only look, at the moment for which it was loaded."""
    with time_machine.travel(NOW, tick=False):
        yield


looks = pytest.mark.usefixtures("_site")


def states(model: type, field: str = "status") -> set[str]:
    return set(model.objects.values_list(field, flat=True))  # type: ignore[attr-defined]


# --- what is there


@looks
def test_orders_procedures_and_steps_are_in_every_state() -> None:
    assert states(Order) == {s.value for s in OrderStatus} - {"ENTERED_IN_ERROR"}
    assert states(RequestedProcedure, "stage") == {stage.value for stage in Stage}
    assert states(ScheduledProcedureStep) == {status.value for status in StepStatus}


@looks
def test_appointments_and_reports_are_in_every_state_that_lasts() -> None:
    # What is held is a time that the waiting list offers.
    assert states(Appointment) == {s.value for s in AppointmentStatus} - {"EXPIRED"}
    assert states(Report) == {
        ReportStatus.DRAFT.value,
        ReportStatus.PRELIMINARY.value,
        ReportStatus.FINAL.value,
        ReportStatus.AMENDED.value,
    }
    assert CriticalResult.objects.exists()


@looks
def test_every_exception_is_there_to_be_mended() -> None:
    counts = exceptions.counts()

    assert counts["performed"] == 4
    assert counts["stuck"] == 1
    assert counts["messages"] == 2
    assert counts["double_booked"] == 1
    assert counts["reviews"] == 2  # a name sent otherwise, and an allergy proposed
    assert counts["visits"] == 1
    assert states(PerformedProcedureStep, "match") == {match.value for match in Match}
    assert states(Delivery, "state") == {
        DeliveryState.DELIVERED.value,
        DeliveryState.PENDING.value,
        DeliveryState.REFUSED.value,
        DeliveryState.DEAD.value,
    }
    assert states(InboundMessage, "state") == {
        MessageState.APPLIED.value,
        MessageState.REJECTED.value,
    }


@looks
def test_messages_were_repeated_and_reused_and_a_patient_was_merged() -> None:
    assert InboundMessage.objects.filter(repeats=1).count() == 1
    assert InboundMessage.objects.filter(key_reused=True).count() == 1
    assert Patient.objects.filter(merged_into__isnull=False).count() == 1


@looks
def test_devices_have_a_room_each_and_are_open_every_day() -> None:
    devices = Device.objects.select_related("room__resource").order_by("ae_title")

    assert [device.ae_title for device in devices] == ["CT1", "DX1", "MG1", "MR1", "NM1", "US1"]
    assert len({device.room_id for device in devices}) == 6
    for device in devices:
        assert device.room is not None
        hours = ResourceHours.objects.filter(resource=device.room.resource)
        assert sorted(hours.values_list("weekday", flat=True)) == list(range(7))
        assert {(h.opens.hour, h.closes.hour) for h in hours} == {(7, 19)}


@looks
def test_resources_show_what_booking_goes_by() -> None:
    assert [row.name for row in StaffMember.objects.order_by("name")] == [
        "Dr. Noor Haidari",
        "Ilse Brandt",
    ]
    assert [
        row.resource.name for row in Closure.objects.filter(kind="DOWNTIME").order_by("pk")
    ] == [
        "MR1",
        "NM1",
    ]
    assert Block.objects.filter(label="Emergencies", resource__name="CT1").count() == 5
    assert Holiday.objects.count() == 3
    assert ResourceGroup.objects.get().members.count() == 2


@looks
def test_the_catalog_has_common_procedures_of_six_modalities_with_steps() -> None:
    definitions = ProcedureDefinition.objects.all()

    assert definitions.count() >= 60
    assert {d.modality for d in definitions} == {"CT", "MR", "US", "DX", "MG", "NM"}
    mixed = definitions.get(code="NMBONECT")
    assert [step.modality for step in mixed.steps.all()] == ["NM", "NM", "CT"]


@looks
def test_each_role_has_a_login_with_a_name() -> None:
    people = {Role.SCHEDULER, Role.FRONTDESK, Role.TECHNOLOGIST, Role.RADIOLOGIST, Role.RESIDENT}
    for role in people | {Role.ADMIN, Role.MANAGER}:
        user = User.objects.get(username=role.value)
        assert roles_of(user) == {role}
        assert user.check_password(PUBLIC_WORD)
        assert user.get_full_name().count(" ") == 1


@looks
def test_the_token_of_the_banner_may_do_everything() -> None:
    token = token_for(DEMO_KEY)

    assert token is not None
    assert token.scopes == ("system/*.cruds",)


@looks
@pytest.mark.parametrize(
    ("script", "first", "last"),
    [
        ("Latin with marks", "À", "ž"),
        ("Greek", "Α", "ω"),
        ("Cyrillic", "А", "я"),
        ("Hebrew", "א", "ת"),
        ("Arabic", "ء", "ي"),
        ("Hiragana", "ぁ", "ん"),
        ("Hangul", "가", "힣"),
        ("Chinese", "一", "龥"),
        ("Thai", "ก", "๙"),
    ],
)
def test_people_write_their_names_in_many_scripts(script: str, first: str, last: str) -> None:
    names = Patient.objects.values_list("name", flat=True)

    assert any(first <= char <= last for name in names for char in name), script


# --- how it came about


@looks
def test_orders_came_as_messages_and_exams_too() -> None:
    assert Order.objects.exclude(source=None).count() > 80
    assert set(Order.objects.filter(source=None).values_list("placer_order_number", flat=True)) == {
        ""
    }
    for performed in PerformedProcedureStep.objects.filter(origin=Origin.MPPS.value):
        assert InboundMessage.objects.filter(key=f"N-CREATE {performed.sop_instance_uid}").exists()
        assert performed.dataset


@looks
def test_nothing_happens_in_the_future_or_out_of_order() -> None:
    moments = list(DomainEvent.objects.order_by("id").values_list("at", flat=True))

    assert moments == sorted(moments)
    assert moments[-1] <= NOW
    assert moments[0] >= NOW - timedelta(days=12)
    assert not AuditEvent.objects.filter(at__gt=NOW).exists()
    assert not InboundMessage.objects.filter(received_at__gt=NOW).exists()
    assert not PerformedProcedureStep.objects.filter(started_at__gt=NOW).exists()


@looks
def test_nothing_is_left_to_send_but_what_waits_behind_a_refusal() -> None:
    refused = Delivery.objects.get(state=DeliveryState.REFUSED.value)

    waiting = Delivery.objects.filter(state=DeliveryState.PENDING.value)

    assert not DomainEvent.objects.filter(fanned_out_at=None).exists()
    assert [(each.endpoint_id, each.lane) for each in waiting] == [
        (refused.endpoint_id, refused.lane)
    ]
    assert refused.attempts.count() == 3


@looks
def test_one_receiver_is_paused() -> None:
    assert list(Endpoint.objects.filter(paused=True).values_list("name", flat=True)) == [
        "GP PORTAL"
    ]


@looks
def test_one_addendum_could_not_be_written_and_can_be_now() -> None:
    unwritten = Delivery.objects.get(state=DeliveryState.DEAD.value)

    assert unwritten.endpoint.name == "GP PORTAL"
    assert unwritten.endpoint.character_set == "UNICODE UTF-8"
    assert "cannot be written in 8859/1" in unwritten.last_error
    assert unwritten.lane.startswith("unwritable:")


@looks
def test_only_the_overbooked_appointment_overlaps_another() -> None:
    overlapping = 0
    rows = list(Booking.objects.filter(live=True).order_by("resource_id", "start_at", "id"))
    for one, other in pairwise(rows):
        if one.resource_id == other.resource_id and other.start_at < one.end_at:
            overlapping += 1

    assert overlapping == 2  # the device and its room
    assert Appointment.objects.filter(overbooked=True).count() == 1


@looks
def test_devices_asked_for_what_they_then_did() -> None:
    assert WorklistSighting.objects.filter(ae_title="CT1").exists()
    assert AuditEvent.objects.filter(action="QueryWorklist").exists()


@looks
def test_devices_told_of_dose_and_one_dose_fits_no_exam() -> None:
    assert {row.kind for row in DoseRecord.objects.all()} == {"CT", "MAMMOGRAPHY", "PROJECTION"}
    assert {row.source for row in DoseRecord.objects.all()} == {"RDSR", "MPPS"}
    (loose,) = DoseRecord.objects.filter(match="WAITING")
    assert loose.order is None
    assert ExamDose.objects.count() > 15
    assert DomainEvent.objects.filter(name="DoseLevelExceeded").exists()
    assert not DoseRecord.objects.filter(match="MISMATCH").exists()
    assert not [row for row in DoseRecord.objects.all() if row.flags]


@looks
def test_loading_takes_a_bounded_number_of_statements(statements: int) -> None:
    assert statements < STATEMENTS


# --- the commands, where the demo is loaded


@pytest.fixture
def filled(monkeypatch: pytest.MonkeyPatch) -> list[datetime]:
    moments: list[datetime] = []
    monkeypatch.setattr(demo, "fill", moments.append)
    return moments


@looks
def test_each_protocol_is_one_for_the_exam() -> None:
    exams = {str(row.public_id): set(row.procedures) for row in ProtocolDefinition.objects.all()}
    decided = Protocoling.objects.exclude(protocols=[]).select_related("procedure")

    unfit = [
        (row.procedure.code_value, exams[key])
        for row in decided
        for key in row.protocols
        if row.procedure.code_value not in exams[key]
    ]

    assert "MRSHOULDER" in {row.procedure.code_value for row in decided}
    assert unfit == []


@looks
def test_load_does_nothing_where_the_demo_is(
    filled: list[datetime], capsys: pytest.CaptureFixture[str]
) -> None:
    assert demo.load(["--if-empty"]) == 0
    assert demo.load([]) == 1
    assert "loaded already" in capsys.readouterr().err
    assert filled == []


@looks
def test_reset_asks_first(filled: list[datetime], capsys: pytest.CaptureFixture[str]) -> None:
    assert demo.reset([]) == 1
    assert "nothing was deleted" in capsys.readouterr().err
    assert Order.objects.count() > 90
    assert filled == []


def test_the_login_page_names_every_login_of_the_demo() -> None:
    page = (Path(settings.TEMPLATES[0]["DIRS"][0]) / "account/login.html").read_text()

    named = set(re.findall(r"<code>(\w+)</code>", page))

    assert named == {PUBLIC_WORD, *(login.username for login in LOGINS)}
