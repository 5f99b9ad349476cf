"""What we write another of us reads as it was meant; two other libraries look over its shoulder."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from integration.hl7.er7 import Message
from integration.hl7.from_domain.results import oru_r01
from integration.hl7.from_domain.scheduling import siu
from integration.hl7.to_domain.results import from_oru
from integration.hl7.to_domain.schedule import from_siu
from ris.domain.reporting import VersionKind
from ris.domain.results import FileResult, ResultLevel, WithdrawResult
from ris.domain.scheduling import FollowSchedule, ScheduleChange
from ris.domain.values import Identifier
from ris.selectors.appointments import AppointmentNumbers
from ris.selectors.documents import DocumentView
from tests.integration.hl7 import views
from tests.integration.hl7.messages import profile as reader
from tests.integration.hl7.oracles import written

SECTIONS = {
    "indication": "Headache since Monday.",
    "technique": "Native CT.",
    "findings": "No bleeding.\n\n5 < 6 | a^b & c~d \\ e: Über 2 cm.",
    "impression": "Normal CT of the head.",
    "recommendation": "None.",
}


def filed(
    kind: VersionKind = VersionKind.FINAL, version: str = "2.5.1", **settings: object
) -> object:
    """The command that our own ORU is read as."""
    profile = views.profile(version, **settings)
    told = views.report(views.version(kind=kind, sections=SECTIONS))
    document = DocumentView(
        public_id="d", patient="p", order=views.ORDER, title="Report", file_name="",
        media_type="application/pdf", content=b"%PDF-1.4 " + bytes(range(256)),
    )  # fmt: skip
    draft = oru_r01(told, 1, [views.order()], views.AT, profile, [document])
    # HD is not in table 0125; the layout of lines has empty ones.
    text = written(draft, profile, tables=settings.get("study_uid_type") != "HD")
    (request,) = from_oru(Message.from_bytes(text.encode()), reader())
    (command,) = request.commands
    return command


@pytest.mark.parametrize("layout", ["sections", "suffix", "lines", "whole"])
@pytest.mark.parametrize("value_type", ["FT", "TX"])
def test_a_report_in_each_layout(layout: str, value_type: str) -> None:
    command = filed(report_layout=layout, report_text=value_type)

    assert isinstance(command, FileResult)
    assert command.sections == SECTIONS


@pytest.mark.parametrize("version", ["2.3.1", "2.4", "2.5.1"])
@pytest.mark.parametrize("value_type", ["HD", "ST", "RP"])
def test_who_reported_on_what_in_each_version(version: str, value_type: str) -> None:
    command = filed(version=version, study_uid_type=value_type)

    assert isinstance(command, FileResult)
    (reference,) = command.references
    assert reference.study_instance_uids == (views.STUDY_UID,)
    assert reference.order.accession == Identifier("A2600000001", "")
    assert reference.order.filler == Identifier("F000000001", "RIS")
    assert command.interpreter.display == "RADIC, Rita"
    assert command.said_at == views.AT
    assert command.attachments[0].data == b"%PDF-1.4 " + bytes(range(256))


@pytest.mark.parametrize(
    ("kind", "level", "correction"),
    [
        (VersionKind.PRELIMINARY, ResultLevel.PRELIMINARY, False),
        (VersionKind.FINAL, ResultLevel.FINAL, False),
        (VersionKind.CORRECTION, ResultLevel.FINAL, True),
    ],
)
def test_each_kind_of_version(kind: VersionKind, level: ResultLevel, correction: bool) -> None:
    command = filed(kind)

    assert isinstance(command, FileResult)
    assert (command.level, command.correction) == (level, correction)


def test_a_withdrawn_report_is_withdrawn() -> None:
    assert isinstance(filed(VersionKind.RETRACTION), WithdrawResult)


@pytest.mark.parametrize(
    ("event", "change"),
    [
        ("AppointmentBooked", ScheduleChange.BOOK),
        ("AppointmentMoved", ScheduleChange.MOVE),
        ("AppointmentModified", ScheduleChange.MODIFY),
        ("AppointmentCanceled", ScheduleChange.CANCEL),
        ("NoShowRecorded", ScheduleChange.MISS),
    ],
)
@pytest.mark.parametrize("version", ["2.3.1", "2.4", "2.5.1"])
def test_an_appointment_in_each_version(event: str, change: ScheduleChange, version: str) -> None:
    profile = replace(views.profile(version), version=version)
    numbers = AppointmentNumbers(placer=Identifier("PL1", "EHR"))
    text = written(siu(views.booked(event), views.order(), profile, numbers), profile)

    (request,) = from_siu(Message.from_bytes(text.encode()), reader())

    (command,) = request.commands
    assert isinstance(command, FollowSchedule)
    assert command.change is change
    assert command.order is not None
    assert command.order.placer == Identifier("PL1", "EHR")
    if change in {ScheduleChange.CANCEL, ScheduleChange.MISS}:
        return
    (service,) = command.services
    assert service.start_at == datetime(2026, 3, 3, 9, 0, tzinfo=UTC)
    assert timedelta(minutes=service.duration_minutes or 0) == timedelta(minutes=20)
    assert service.stations == ("CT1",)
    assert service.performer.display == "RADIC, Rita"
