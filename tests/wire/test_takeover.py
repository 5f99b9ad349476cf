"""What another system has booked is taken over from its worklist, told by dcmtk's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydicom.dataset import Dataset

from ris.domain.actors import OPERATOR
from ris.domain.catalog import StepTemplateDetails
from ris.domain.errors import BusyError, UnsupportedError
from ris.domain.exchange import MessageState, ReplayMessage
from ris.domain.orders import StepStatus
from ris.domain.values import Code
from ris.models import InboundMessage, Order, Patient, ScheduledProcedureStep
from ris.services import execute
from tests import make
from tests.programs import requires
from tests.running import free_ports
from tests.wire.wlmscpfs import AE_TITLE, entry, wlmscpfs
from worklist import takeover_commands

pytestmark = [
    pytest.mark.wire,
    pytest.mark.django_db(transaction=True),
    requires("dcmtk"),
]


@pytest.fixture(autouse=True)
def department() -> None:
    make.site("Europe/Vienna")
    make.device("CT1", "CT")


@contextmanager
def serving(folder: Path, *entries: Dataset) -> Iterator[list[str]]:
    """The arguments that call the other system."""
    with wlmscpfs(folder, entries) as port:
        yield ["--host", "127.0.0.1", "--port", str(port), "--called", AE_TITLE]


def said(capsys: pytest.CaptureFixture[str]) -> Sequence[str]:
    return capsys.readouterr().out.splitlines()


def test_a_booking_comes_with_every_number_and_letter(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving(tmp_path, entry()) as call:
        code = takeover_commands.main([*call, "--placer", "EHR", "--yes"])

    assert code == 0
    assert said(capsys) == [
        "2099-03-02 09:30  CT  OLD-A1  M-100  Grünwald^Käthe  new",
        "1 new",
        "1 taken over",
    ]
    order = Order.objects.get()
    step = make.step_of(order)
    patient = Patient.objects.get()
    assert (order.accession_number, order.filler_order_number) == ("OLD-A1", "FI-1")
    assert (order.placer_order_number, order.placer_issuer) == ("PL-1", "EHR")
    assert (order.priority, order.reason) == ("URGENT", "Fell from a ladder")
    assert (order.referring, order.requesting_service) == ("Núñez^Inés", "Neurology")
    assert step.procedure.study_instance_uid == "2.25.4711"
    assert (step.procedure.procedure_id, step.step_id) == ("OLD-P1", "OLD-S1")
    assert (step.procedure.code_value, step.procedure.code_scheme) == ("CTHEAD", "99OLD")
    assert step.status == StepStatus.SCHEDULED.value
    assert step.station_ae_title == "CT1"
    assert step.start_at == datetime(2099, 3, 2, 8, 30, tzinfo=UTC)
    assert patient.name == "Grünwald^Käthe"
    assert [(i.value, i.issuer) for i in patient.identifiers.all()] == [("M-100", "OLDHOSP")]
    assert (patient.allergies, patient.alerts) == (["Iodine", "Latex"], ["Pacemaker"])
    assert patient.weight_kg == 62.5


def test_what_was_said_is_kept_with_the_order(tmp_path: Path) -> None:
    with serving(tmp_path, entry()) as call:
        takeover_commands.main([*call, "--yes"])

    message = InboundMessage.objects.get()
    assert (message.message_type, message.sender) == ("MWL C-FIND", "OLDRIS")
    assert message.state == MessageState.APPLIED.value
    assert message.orders.get() == Order.objects.get()
    assert "Grünwald^Käthe".encode("latin-1") in bytes(message.raw)


def test_a_dry_run_leaves_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with serving(tmp_path, entry()) as call:
        code = takeover_commands.main([*call, "--dry-run"])

    assert code == 0
    assert said(capsys)[-1] == "1 new"
    assert not Order.objects.exists()
    assert not Patient.objects.exists()
    assert not InboundMessage.objects.exists()


def test_without_a_yes_nothing_is_done(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with serving(tmp_path, entry()) as call:
        code = takeover_commands.main(call)

    assert code == 1
    assert "nothing was taken over" in capsys.readouterr().err
    assert not Order.objects.exists()


def test_a_second_time_takes_only_what_is_new(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving(tmp_path / "one", entry()) as call:
        takeover_commands.main([*call, "--yes"])
    later = entry(
        AccessionNumber="OLD-A2", StudyInstanceUID="2.25.4712",
        PlacerOrderNumberImagingServiceRequest="PL-2",
        FillerOrderNumberImagingServiceRequest="FI-2", ScheduledProcedureStepStartTime="101500",
    )  # fmt: skip
    capsys.readouterr()

    with serving(tmp_path / "two", entry(), later) as call:
        code = takeover_commands.main([*call, "--yes"])

    assert code == 0, capsys.readouterr()
    assert said(capsys)[-2:] == ["1 new, 1 here already", "1 taken over"]
    assert set(Order.objects.values_list("accession_number", flat=True)) == {"OLD-A1", "OLD-A2"}
    assert Patient.objects.count() == 1
    assert InboundMessage.objects.count() == 2


def test_steps_and_procedures_of_one_order_stay_one_order(tmp_path: Path) -> None:
    second = entry(ScheduledProcedureStepID="OLD-S2", ScheduledProcedureStepStartTime="130000")
    third = entry(
        ScheduledProcedureStepID="OLD-S3", RequestedProcedureID="OLD-P2",
        StudyInstanceUID="2.25.4799", ScheduledProcedureStepStartTime="133000",
    )  # fmt: skip
    with serving(tmp_path, entry(), second, third) as call:
        assert takeover_commands.main([*call, "--yes"]) == 0

    order = Order.objects.get()
    found = ScheduledProcedureStep.objects.order_by("step_id")
    assert [(step.procedure.study_instance_uid, step.step_id) for step in found] == [
        ("2.25.4711", "OLD-S1"),
        ("2.25.4711", "OLD-S2"),
        ("2.25.4799", "OLD-S3"),
    ]
    assert {step.procedure.order_id for step in found} == {order.pk}
    assert InboundMessage.objects.count() == 3


def test_a_step_booked_there_later_joins_its_order(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving(tmp_path / "one", entry()) as call:
        takeover_commands.main([*call, "--yes"])
    second = entry(ScheduledProcedureStepID="OLD-S2", ScheduledProcedureStepStartTime="130000")
    capsys.readouterr()

    with serving(tmp_path / "two", entry(), second) as call:
        assert takeover_commands.main([*call, "--yes"]) == 0

    assert said(capsys)[-2:] == ["1 one more step, 1 here already", "1 taken over"]
    order = Order.objects.get()
    assert order.procedures.get().steps.count() == 2


def test_steps_that_are_numbered_anew_in_each_order_get_numbers_of_ours(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def numbered(order: str, step: str, start: str) -> Dataset:
        return entry(
            AccessionNumber=f"OLD-{order}", StudyInstanceUID=f"2.25.{order}",
            PlacerOrderNumberImagingServiceRequest="", FillerOrderNumberImagingServiceRequest="",
            RequestedProcedureID="1", ScheduledProcedureStepID=step,
            ScheduledProcedureStepStartTime=start,
        )  # fmt: skip

    first = [numbered("1", "1", "080000"), numbered("1", "2", "083000")]
    second = [numbered("2", "1", "090000"), numbered("2", "2", "093000")]
    third = numbered("2", "3", "100000")
    with serving(tmp_path / "one", *first, *second) as call:
        assert takeover_commands.main([*call, "--yes"]) == 0
    with serving(tmp_path / "two", *first, *second, third) as call:
        assert takeover_commands.main([*call, "--yes"]) == 0

    assert said(capsys)[-2:] == ["1 one more step, 4 here already", "1 taken over"]
    found = ScheduledProcedureStep.objects.order_by("start_at")
    assert [step.procedure.study_instance_uid for step in found] == [
        "2.25.1", "2.25.1", "2.25.2", "2.25.2", "2.25.2",
    ]  # fmt: skip
    assert [step.step_id for step in found[:2]] == ["1", "2"]
    assert found[4].step_id == "3"
    assert {len(step.step_id) for step in found[2:4]} == {10}


def test_the_catalog_adds_no_step_to_what_was_booked_there(tmp_path: Path) -> None:
    make.definition(
        Code("CTHEAD", "99OLD", "CT head"),
        steps=(
            StepTemplateDetails(modality="CT", description="Plain"),
            StepTemplateDetails(modality="CT", description="With contrast"),
        ),
    )
    with serving(tmp_path, entry()) as call:
        takeover_commands.main([*call, "--yes"])

    assert [step.step_id for step in ScheduledProcedureStep.objects.all()] == ["OLD-S1"]


def test_what_has_begun_there_ends_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving(tmp_path, entry(ScheduledProcedureStepStatus="STARTED")) as call:
        code = takeover_commands.main([*call, "--yes"])

    assert code == 0
    assert said(capsys)[-1] == "1 begun there"
    assert not Order.objects.exists()


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"IssuerOfPatientID": ""}, "a number without its issuer names nobody (0010,0021)"),
        ({"SpecificCharacterSet": ""}, "text does not fit its character set (0010,0010)"),
    ],
)
def test_what_cannot_be_taken_over_is_told_and_the_others_come(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    changed: dict[str, str],
    words: str,
) -> None:
    broken = entry(AccessionNumber="OLD-A9", StudyInstanceUID="2.25.9", **changed)
    with serving(tmp_path, broken, entry()) as call:
        code = takeover_commands.main([*call, "--yes"])

    assert code == 1
    told = said(capsys)
    assert [line for line in told if line.endswith(f"refused: {words}")]
    assert told[-2:] == ["1 new, 1 refused", "1 taken over"]
    assert Order.objects.get().accession_number == "OLD-A1"


def test_what_the_entries_do_not_say_the_administrator_says(tmp_path: Path) -> None:
    bare = entry(IssuerOfPatientID="", SpecificCharacterSet="")
    with serving(tmp_path, bare) as call:
        named = [*call, "--issuer", "CITY", "--character-set", "ISO_IR 100"]
        code = takeover_commands.main([*named, "--yes"])

    assert code == 0
    patient = Patient.objects.get()
    assert patient.name == "Grünwald^Käthe"
    assert patient.identifiers.get().issuer == "CITY"


def test_an_accession_number_that_is_somebody_elses_here_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving(tmp_path / "one", entry()) as call:
        takeover_commands.main([*call, "--yes"])
    somebody = entry(PatientID="M-200", PatientName="Fairweather^Ivy", StudyInstanceUID="2.25.5")
    good = entry(
        AccessionNumber="OLD-A3", StudyInstanceUID="2.25.6", ScheduledProcedureStepID="OLD-S3",
        PlacerOrderNumberImagingServiceRequest="", FillerOrderNumberImagingServiceRequest="",
    )  # fmt: skip
    capsys.readouterr()

    with serving(tmp_path / "two", somebody, good) as call:
        code = takeover_commands.main([*call, "--yes"])

    assert code == 1
    told = [line.partition("M-200  Fairweather^Ivy")[2].strip() for line in said(capsys)]
    assert "refused: the order here is of another patient (0010,0020)" in told
    assert set(Order.objects.values_list("accession_number", flat=True)) == {"OLD-A1", "OLD-A3"}
    refused = InboundMessage.objects.get(state=MessageState.REJECTED.value)
    with pytest.raises(UnsupportedError, match="asked for anew: `ris mwl import`"):
        execute(ReplayMessage(message=str(refused.public_id), reason=""), actor=OPERATOR)


def test_a_weight_that_is_none_is_told_in_the_comments(tmp_path: Path) -> None:
    heavy = entry()
    heavy["PatientWeight"]._value = "62,5 kg"
    with serving(tmp_path, heavy) as call:
        assert takeover_commands.main([*call, "--yes"]) == 0

    assert Order.objects.get().comments == "PatientWeight: 62,5 kg"
    assert Patient.objects.get().weight_kg is None


def test_only_days_stations_and_modalities_that_were_asked_for(tmp_path: Path) -> None:
    later = entry(
        AccessionNumber="OLD-A2", StudyInstanceUID="2.25.4712",
        ScheduledProcedureStepStartDate="20990401", FillerOrderNumberImagingServiceRequest="",
        PlacerOrderNumberImagingServiceRequest="",
    )  # fmt: skip
    with serving(tmp_path, entry(), later) as call:
        takeover_commands.main([*call, "--date", "20990401", "--station", "CT1", "--yes"])

    assert Order.objects.get().accession_number == "OLD-A2"


def test_nobody_there_is_told_in_words() -> None:
    (unused,) = free_ports(1)

    with pytest.raises(BusyError, match="refused"):
        takeover_commands.main(
            ["--host", "127.0.0.1", "--port", str(unused), "--called", "OLDRIS", "--yes"]
        )
