"""Notifications from outside: `ris up --demo`, an EHR that subscribes and listens, a scanner.

An order comes by HL7, is performed by DICOM, reported on the pages; the subscriber hears of each
step as it happens, in order, and misses nothing although the sender is killed on the way.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset
from pynetdicom import AE

from ris.domain.identifiers import new_uid
from tests import hooks
from tests.hooks import Hook, Hooked
from tests.integration.fhir.subscribing import TOPIC, topic
from tests.pages import Person
from tests.running import Running, running_ris, wait_until
from worklist.modality import begun, ended

pytestmark = [pytest.mark.wire, pytest.mark.timeout(240)]

MPPS = "1.2.840.10008.3.1.2.3.3"
WORKLIST = "1.2.840.10008.5.1.4.31"
# On a quiet machine each is told within a second; others may be at work on this one.
SECONDS = 10.0


@pytest.fixture(scope="module")
def ris(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder: Path = tmp_path_factory.mktemp("notifications")
    allowed = "127.0.0.1"
    with running_ris(folder / "data", "--demo", RIS_FHIR__SUBSCRIPTION_HOSTS=allowed) as running:
        yield running


def fhir(ris: Running, method: str, path: str, body: Any = None) -> Any:
    request = urllib.request.Request(
        f"{ris.fhir_url}/{path}",
        json.dumps(body).encode() if body else None,
        {"Authorization": f"Bearer {ris.token}", "Content-Type": "application/fhir+json"},
        method=method,
    )
    with urllib.request.urlopen(request, timeout=20) as response:
        return json.load(response)


def sent(ris: Running, number: str, at: datetime) -> None:
    """An order with its time, by MLLP."""
    when = f"{at:%Y%m%d%H%M%S}"
    segments = [
        f"MSH|^~\\&|EHR|HOSPITAL|RIS|RAD|{when}||ORM^O01|{number}|P|2.3.1||||||UNICODE UTF-8",
        f"PID|1||{number}^^^HOSPITAL^MR||Lindqvist^Tove||19810224|F",
        f"ORC|NW|{number}^EHR|||||^^^{when}^^R",
        f"OBR|1|{number}^EHR||CTHEAD^CT head^L||||||||||||||||||||CT|||^^^{when}^^R",
        "",
    ]
    with socket.create_connection(("127.0.0.1", ris.mllp_port), timeout=20) as line:
        line.sendall(b"\x0b" + "\r".join(segments).encode() + b"\x1c\r")
        answer = b""
        while not answer.endswith(b"\x1c\r"):
            answer += line.recv(4096)
    assert b"MSA|AA" in answer


class Scanner:
    """CT1, by pynetdicom."""

    def __init__(self, ris: Running) -> None:
        ae = AE("CT1")
        ae.add_requested_context(MPPS)
        ae.add_requested_context(WORKLIST)
        ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = 20
        self.association = ae.associate("127.0.0.1", ris.dicom_port, ae_title=ris.ae_title)
        assert self.association.is_established
        self.uid = new_uid()

    def entry(self, accession_number: str) -> Dataset:
        query = Dataset()
        query.PatientName = query.PatientID = query.PatientBirthDate = query.PatientSex = ""
        query.StudyInstanceUID = query.RequestedProcedureID = ""
        query.RequestedProcedureDescription = ""
        query.AccessionNumber = accession_number
        step = Dataset()
        step.ScheduledStationAETitle = step.Modality = step.ScheduledProcedureStepID = ""
        step.ScheduledProcedureStepDescription = ""
        query.ScheduledProcedureStepSequence = [step]
        answers = [found for _, found in self.association.send_c_find(query, WORKLIST) if found]
        assert len(answers) == 1
        return answers[0]

    def begin(self, entry: Dataset) -> None:
        dataset = begun(entry, station="CT1", at=datetime.now(UTC))
        assert self.association.send_n_create(dataset, MPPS, self.uid)[0].Status == 0

    def end(self, entry: Dataset) -> None:
        dataset = ended(entry, at=datetime.now(UTC))
        assert self.association.send_n_set(dataset, MPPS, self.uid)[0].Status == 0

    def close(self) -> None:
        self.association.release()


def statuses(hook: Hook, kind: str) -> list[str]:
    """The status of each resource of a type that was told, in order, repeats left out."""
    found: dict[tuple[str, int], str] = {}
    for heard in list(hook.heard):
        for number, entry in zip(heard.numbers, heard.body["entry"][1:], strict=True):
            resource = entry["resource"]
            if resource["resourceType"] == kind:
                found[heard.status["topic"], number] = resource["status"]
    return [status for _, status in sorted(found.items())]


def told(hook: Hook, kind: str, status: str) -> float:
    """Wait until a resource was told in this state; the seconds it took."""
    begin = time.monotonic()
    wait_until(
        lambda: status in statuses(hook, kind),
        f"{kind} {status} at the subscriber: {statuses(hook, kind)}",
        SECONDS,
    )
    return time.monotonic() - begin


def test_an_ehr_hears_of_each_step_as_it_happens(ris: Running) -> None:
    with hooks.hook() as hook:
        made = [
            fhir(ris, "POST", "Subscription", topic(hook.url, name, "full-resource"))
            for name in ("order-status", "step-status", "report-final")
        ]
        wait_until(lambda: len(hook.heard) == 3, "three handshakes", SECONDS)
        assert [each.kind for each in hook.heard] == ["handshake"] * 3
        took = []

        number = "FN55001"
        at = (datetime.now(UTC) + timedelta(days=25)).replace(hour=11, minute=40, second=0)
        sent(ris, number, at)
        took.append(told(hook, "ServiceRequest", "active"))

        order = fhir(ris, "GET", f"ServiceRequest?identifier={number}")["entry"][0]["resource"]
        accession = next(
            each["value"]
            for each in order["identifier"]
            if any(code.get("code") == "ACSN" for code in each.get("type", {}).get("coding", []))
        )
        with closing(Scanner(ris)) as scanner:
            entry = scanner.entry(accession)
            scanner.begin(entry)
            took.append(told(hook, "Task", "in-progress"))
            scanner.end(entry)
            took.append(told(hook, "Task", "completed"))

        radiologist = Person(ris.http_port)
        radiologist.log_in("radiologist")
        page = radiologist.submit(radiologist.get(f"/search/?q={accession}"), "/reading/open/")
        radiologist.submit(
            page, "/sign/", button=("as", "final"), findings="No bleeding.", impression="Normal."
        )
        took.append(told(hook, "DiagnosticReport", "final"))

        for subscription in made:
            mine = [
                each.numbers
                for each in hook.heard
                if each.status["subscription"]["reference"].endswith(subscription["id"])
            ]
            numbers = [each for part in mine for each in part]
            assert numbers == list(range(1, len(numbers) + 1)), "in order, each once"
        assert statuses(hook, "Task")[-1] == "completed"
        assert max(took) < SECONDS
        timeline = radiologist.get(f"/orders/{order['id']}/timeline/").text
        assert "event-notification" in timeline
        for subscription in made:
            gone = urllib.request.Request(
                f"{ris.fhir_url}/Subscription/{subscription['id']}",
                headers={"Authorization": f"Bearer {ris.token}"},
                method="DELETE",
            )
            with urllib.request.urlopen(gone, timeout=20) as response:
                assert response.status == 204


def test_nothing_is_lost_where_the_sender_is_killed_with_a_notification_on_its_way(
    ris: Running,
) -> None:
    worker = ris.pids()["worker"]
    killed: list[int] = []

    def deadly(request: Hooked) -> bytes | None:
        """Kill the sender when it waits for the answer to its second event."""
        if request.numbers == [2] and not killed:
            killed.append(worker)
            os.kill(worker, signal.SIGKILL)
            return None
        return hooks.said(200)

    with hooks.hook(deadly) as hook:
        fhir(ris, "POST", "Subscription", topic(hook.url, "order-status"))
        wait_until(lambda: len(hook.heard) == 1, "the handshake", SECONDS)
        at = (datetime.now(UTC) + timedelta(days=26)).replace(hour=9, minute=0, second=0)
        for place in range(4):
            sent(ris, f"FN5600{place}", at + timedelta(hours=place))

        def numbers() -> list[int]:
            return [number for each in list(hook.heard) for number in each.numbers]

        wait_until(lambda: 4 in numbers(), "all four events", 60)

        assert killed
        assert numbers() in ([1, 2, 2, 3, 4], [1, 2, 3, 4]), "in order, repeated at most once"
        assert {each.status.get("topic") for each in hook.heard} == {f"{TOPIC}order-status"}
