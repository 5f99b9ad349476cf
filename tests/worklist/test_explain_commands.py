"""The explanations as an operator reads them on a terminal, and as JSON."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from ris.domain.orders import ProcedureRequest
from ris.domain.values import Code, PersonName
from ris.models import AuditEvent, Order, WorklistQueryLog
from tests import make
from tests.worklist import requests
from tests.worklist.entries import identifier
from worklist import explain_commands

pytestmark = pytest.mark.django_db

Printed = pytest.CaptureFixture[str]


@pytest.fixture
def order() -> Order:
    """A step of CT2 today; CT1 has asked for its own day."""
    make.site("UTC")
    for ae_title in ("CT1", "CT2"):
        make.device(ae_title, "CT")
    today = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0)
    placed = make.order(
        start_at=today, station="CT2", patient=make.patient(name=PersonName.parse("Berg^Anna"))
    )
    query = identifier(
        PatientName="",
        step={
            "ScheduledStationAETitle": "CT1",
            "ScheduledProcedureStepStartDate": f"{today:%Y%m%d}",
        },
    )
    requests.find(requests.handlers(), query)
    return placed


def number() -> int:
    return WorklistQueryLog.objects.latest("id").pk


def test_a_query_is_explained_in_lines(order: Order, capsys: Printed) -> None:
    assert explain_commands.explain(["--query", str(number())]) == 0

    printed = capsys.readouterr().out
    assert "CT1  0000 all sent  0 steps" in printed
    assert "given: 0" in printed
    assert "Berg^Anna" in printed
    assert "       Station AE title: asked CT1, this step is for CT2\n" in printed
    assert "now it would give: 0" in printed


def test_who_was_shown_is_audited(order: Order, capsys: Printed) -> None:
    explain_commands.explain(["--query", str(number())])

    audit = AuditEvent.objects.get(action="ExplainWorklistQuery")
    assert audit.patients == [str(order.patient.public_id)]
    assert audit.subject == f"WorklistQuery {number()}"


def test_a_query_is_explained_as_json(order: Order, capsys: Printed) -> None:
    assert explain_commands.explain(["--query", str(number()), "--json"]) == 0

    said = json.loads(capsys.readouterr().out)
    (left_out,) = said["left_out"]
    assert (said["status"], said["device"], said["given"]) == ("0000", "CT1", [])
    assert left_out["patient_name"] == "Berg^Anna"
    assert left_out["failed"] == [
        {
            "key": "station_ae_titles",
            "name": "Station AE title",
            "asked": "CT1",
            "has": "CT2",
            "meets": False,
            "source": "query",
        }
    ]
    assert bytes.fromhex(said["identifier"]) == bytes(WorklistQueryLog.objects.get().identifier)
    assert said["now"]["steps"] == 0


def test_a_step_and_a_device_are_explained(order: Order, capsys: Printed) -> None:
    step = make.step_of(order).step_id

    assert explain_commands.explain(["--step", step, "--device", "CT1"]) == 0
    first = capsys.readouterr().out
    assert explain_commands.explain(["--step", step, "--device", "CT2", "--json"]) == 0
    second = json.loads(capsys.readouterr().out)

    assert first.startswith(
        "CT1 does not see this step. Station AE title: asked CT1, this step is for CT2.\n"
    )
    assert "What it asks: What it asked last." in first
    assert second["sees"] is True
    assert second["findings"] == [
        {"weight": "may", "words": "It has never asked for its worklist here"}
    ]
    assert AuditEvent.objects.filter(action="ExplainStep", order=order).count() == 2


def test_the_accession_number_of_an_order_with_one_step_will_do(
    order: Order, capsys: Printed
) -> None:
    wanted = ["--step", order.accession_number, "--device", "CT2"]

    assert explain_commands.explain(wanted) == 0
    assert capsys.readouterr().out.startswith("CT2 sees this step when it asks.")


def test_several_steps_of_one_number_are_listed(order: Order, capsys: Printed) -> None:
    code = make.step_of(order).procedure.code_value
    steps = (make.step_request(description="First"), make.step_request(description="Second"))
    two = make.order(
        procedures=(ProcedureRequest(code=Code(code, "TEST", "Two steps"), steps=steps),)
    )

    assert explain_commands.explain(["--step", two.accession_number, "--device", "CT1"]) == 1
    printed = capsys.readouterr()
    assert "several steps have this number" in printed.err
    assert ("First" in printed.out, "Second" in printed.out) == (True, True)


def test_what_devices_asked_is_listed(order: Order, capsys: Printed) -> None:
    WorklistQueryLog.objects.update(at=datetime.now(UTC) - timedelta(hours=1))
    requests.find(requests.handlers(), identifier(PatientID="X"), ae_title="CT2")

    assert explain_commands.list_queries([]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert explain_commands.list_queries(["--device", "CT1", "--json"]) == 0
    (only,) = json.loads(capsys.readouterr().out)

    assert [line.split()[3] for line in lines] == ["CT2", "CT1"]
    assert lines[0].endswith("PatientID=X")
    assert only["keys"]["ScheduledStationAETitle"] == "CT1"


@pytest.mark.parametrize(
    "arguments", [[], ["--query", "1", "--step", "S1"], ["--step", "S1"], ["--query", "x"]]
)
def test_used_wrongly_it_says_how(arguments: list[str], capsys: Printed) -> None:
    with pytest.raises(SystemExit) as ended:
        explain_commands.explain(arguments)

    assert ended.value.code == 2
    assert "usage: ris mwl explain" in capsys.readouterr().err
