"""The loop from outside: `ris up --demo`, and only clients that a hospital could have.

One order by HL7 with a time, one by FHIR without; booked on the pages; found by dcmtk; performed by
pynetdicom and by dcmjs-dimse; read and signed on the pages; told to placer and archive; and all of
it on one page at the end.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import hl7.client
import pytest
from pydicom.dataset import Dataset
from pynetdicom import AE

from ris.domain.identifiers import new_uid
from tests.pages import Person
from tests.peers import MllpReceiver
from tests.programs import node_modules, requires
from tests.running import ROOT, Running, running_ris, wait_until
from tests.worklist.performed import n_create, n_set
from worklist.modality import begun, ended

pytestmark = [pytest.mark.wire, pytest.mark.timeout(240)]

MPPS = "1.2.840.10008.3.1.2.3.3"
WORKLIST = "1.2.840.10008.5.1.4.31"
SITE = """
[[endpoint]]
name = "Placer"
protocol = "hl7"
direction = "out"
host = "127.0.0.1"
port = {placer}
version = "2.5.1"
sends = ["order-status", "results", "appointments"]

[[endpoint]]
name = "Archive"
protocol = "hl7"
direction = "out"
host = "127.0.0.1"
port = {archive}
version = "2.3.1"
sends = ["procedure-scheduled"]
"""


@dataclass(slots=True)
class Hospital:
    ris: Running
    placer: MllpReceiver
    archive: MllpReceiver

    def fhir(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        request = urllib.request.Request(
            f"{self.ris.fhir_url}/{path}",
            json.dumps(body).encode() if body else None,
            {
                "Authorization": f"Bearer {self.ris.token}",
                "Content-Type": "application/fhir+json",
            },
            method=method,
        )
        with urllib.request.urlopen(request, timeout=20) as response:
            return json.load(response)

    def web(
        self, method: str, path: str, body: dict[str, Any] | None = None, *, chunked: bool = False
    ) -> tuple[int, bytes]:
        """A DICOMweb request as CT1."""
        connection = http.client.HTTPConnection("127.0.0.1", self.ris.http_port, timeout=20)
        headers = {"Authorization": "Bearer demo-ct1-token"}
        if body is not None:
            headers["Content-Type"] = "application/dicom+json"
        raw = json.dumps(body).encode() if body is not None else None
        with closing(connection):
            connection.request(
                method,
                f"/dicom-web/{path}",
                iter([raw]) if chunked else raw,
                headers,
                encode_chunked=chunked,
            )
            response = connection.getresponse()
            return response.status, response.read()

    def findscu(self, *keys: str) -> list[dict[str, str]]:
        """Ask the worklist with dcmtk; the answers by keyword."""
        asked = [
            "PatientName", "PatientID", "AccessionNumber", "StudyInstanceUID",
            "RequestedProcedureID", "RequestedProcedureDescription",
            *(
                f"(0040,0100)[0].{name}"
                for name in (
                    "ScheduledStationAETitle", "ScheduledProcedureStepStartDate",
                    "ScheduledProcedureStepStartTime", "Modality", "ScheduledProcedureStepID",
                    "ScheduledProcedureStepDescription",
                )
            ),
        ]  # fmt: skip
        given = {key.split("=")[0] for key in keys}
        words = [*(key for key in asked if key not in given), *keys]
        done = subprocess.run(
            [
                "findscu", "-v", "-W", "-aet", "CT1", "-aec", self.ris.ae_title,
                "127.0.0.1", str(self.ris.dicom_port),
                *(part for word in words for part in ("-k", word)),
            ],
            capture_output=True, timeout=30, check=True,
        )  # fmt: skip
        text = (done.stdout + done.stderr).decode("utf-8", errors="replace")
        assert "Received Final Find Response (Success)" in text
        answers = []
        for block in text.split("Find Response: ")[1:]:
            found = re.findall(r"\[([^\]]*)\] +#.*? (\w+)\n", block)
            answers.append({keyword: value.strip(" \0") for value, keyword in found})
        return answers

    def dicom(self, *contexts: str) -> Any:
        ae = AE("CT1")
        for context in contexts:
            ae.add_requested_context(context)
        ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = 20
        association = ae.associate("127.0.0.1", self.ris.dicom_port, ae_title=self.ris.ae_title)
        assert association.is_established
        return association

    def entry(self, accession_number: str) -> Dataset:
        """The worklist entry as a scanner keeps it."""
        query = Dataset()
        query.PatientName = query.PatientID = query.PatientBirthDate = query.PatientSex = ""
        query.StudyInstanceUID = query.RequestedProcedureID = ""
        query.RequestedProcedureDescription = ""
        query.AccessionNumber = accession_number
        step = Dataset()
        step.ScheduledStationAETitle = step.Modality = step.ScheduledProcedureStepID = ""
        step.ScheduledProcedureStepDescription = ""
        query.ScheduledProcedureStepSequence = [step]
        association = self.dicom(WORKLIST)
        answers = [
            identifier for _, identifier in association.send_c_find(query, WORKLIST) if identifier
        ]
        association.release()
        assert len(answers) == 1
        return answers[0]

    def dcmjs(self, operation: str, uid: str, dataset: Dataset) -> dict[str, Any]:
        """One MPPS request from the Node world."""
        asked = {
            "operation": operation,
            "host": "127.0.0.1",
            "port": self.ris.dicom_port,
            "calling": "CT1",
            "called": self.ris.ae_title,
            "uid": uid,
            "elements": elements(dataset),
        }
        done = subprocess.run(
            ["node", str(ROOT / "tests/clients/dicom.mjs"), json.dumps(asked)],
            capture_output=True,
            text=True,
            timeout=60,
            env={**os.environ, "RIS_TEST_NODE_MODULES": str(node_modules())},
            check=True,
        )
        answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])["answers"][0]
        return answer


def elements(dataset: Dataset) -> dict[str, Any]:
    """A dataset as dcmjs takes it: plain values by keyword, sequences as lists."""
    plain: dict[str, Any] = {}
    for element in dataset:
        if element.VR == "SQ":
            plain[element.keyword] = [elements(item) for item in element.value]
        else:
            plain[element.keyword] = "" if element.value is None else str(element.value)
    return plain


@pytest.fixture(scope="module")
def hospital(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hospital]:
    folder: Path = tmp_path_factory.mktemp("hospital")
    with (
        closing(MllpReceiver()) as placer,
        closing(MllpReceiver()) as archive,
        running_ris(folder / "data", "--demo") as ris,
    ):
        file = folder / "site.toml"
        file.write_text(SITE.format(placer=placer.port, archive=archive.port))
        done = ris.ris("configure", str(file), "--yes")
        assert done.returncode == 0, done.stderr
        yield Hospital(ris, placer, archive)


def orm(control: str, number: str, uid: str, at: datetime, order_control: str = "NW") -> str:
    when = f"{at:%Y%m%d%H%M%S}"
    return "\r".join(
        [
            f"MSH|^~\\&|EHR|HOSPITAL|RIS|RAD|{when}||ORM^O01|{control}|P|2.3.1||||||UNICODE UTF-8",
            f"PID|1||J{number}^^^HOSPITAL^MR||Šimůnková^Zoë||19700503|F",
            "PV1|1|O|||||||123^Ordonez^Olga",
            f"ORC|{order_control}|{number}^EHR|||||^^^{when}^^R|||||123^Ordonez^Olga",
            f"OBR|1|{number}^EHR||CTHEAD^CT head^L||||||||||||||||||||CT|||^^^{when}^^R",
            f"ZDS|{uid}^RIS^Application^DICOM",
            "",
        ]
    )


def told(receiver: MllpReceiver, pattern: str, number: str) -> list[tuple[str, ...]]:
    """What a peer heard of an order: type, ORC-1, ORC-5, OBR-25."""
    return [
        (m.type, m.field("ORC", 1), m.field("ORC", 5), m.field("OBR", 25))
        for m in receiver.of_type(pattern)
        if f"|{number}" in m.text
    ]


@requires("dcmtk")
def test_an_hl7_order_goes_all_the_way_and_back(hospital: Hospital) -> None:
    ris = hospital.ris
    number, uid = "PL77001", "1.2.276.0.7230010.3.77.1"
    at = (datetime.now(UTC) + timedelta(days=30)).replace(hour=10, minute=20, second=0)
    message = orm("J0001", number, uid, at)

    # 1: stored, applied, answered; the same bytes again have no second effect; another body is new
    with hl7.client.MLLPClient("127.0.0.1", ris.mllp_port) as client:
        first = client.send_message(message).decode()
        again = client.send_message(message).decode()
        other = client.send_message(
            orm("J0001", "PL77002", "1.2.276.0.7230010.3.77.2", at)
        ).decode()
        garbage = client.send_message("MSH|^~\\&|EHR|HOSPITAL|RIS|RAD|x||ZZZ^Z99|J0002|P|2.3.1\r")
        canceled = client.send_message(
            orm("J0003", "PL77002", "1.2.276.0.7230010.3.77.2", at, "CA")
        ).decode()
    assert "MSA|AA|J0001" in first
    assert again == first
    assert "MSA|AA|J0001" in other
    assert "MSA|AR|J0002" in garbage.decode()
    assert "\rERR|" in garbage.decode()
    assert "MSA|AA|J0003" in canceled

    # 2: on the worklist in the very next query, by each of the ways scanners ask
    day = f"(0040,0100)[0].ScheduledProcedureStepStartDate={at:%Y%m%d}"
    by_day = hospital.findscu(
        day, "(0040,0100)[0].ScheduledStationAETitle=CT1", "(0040,0100)[0].Modality=CT"
    )
    mine = next(answer for answer in by_day if answer["PatientID"] == f"J{number}")
    assert (mine["PatientName"], mine["StudyInstanceUID"]) == ("Šimůnková^Zoë", uid)
    assert mine["ScheduledProcedureStepStartTime"] == f"{at:%H%M}00"
    accession = mine["AccessionNumber"]
    assert [a["AccessionNumber"] for a in hospital.findscu("PatientName=simunkova^z*")] == [
        accession
    ]
    assert len(hospital.findscu(f"AccessionNumber={accession}")) == 1
    assert not hospital.findscu(f"PatientID=J{'PL77002'}")

    # 5: begun and ended by pynetdicom; what comes too late or twice is refused in DICOM's words
    entry = hospital.entry(accession)
    performed = new_uid()
    association = hospital.dicom(MPPS)
    start = begun(entry, station="CT1", at=datetime.now(UTC))
    end = ended(entry, at=datetime.now(UTC))
    created, _ = association.send_n_create(start, MPPS, performed)
    duplicate, _ = association.send_n_create(start, MPPS, performed)
    unknown, _ = association.send_n_set(end, MPPS, new_uid())
    completed, _ = association.send_n_set(end, MPPS, performed)
    changed = ended(entry, at=datetime.now(UTC) + timedelta(minutes=1))
    too_late, _ = association.send_n_set(changed, MPPS, performed)
    association.release()
    assert (created.Status, duplicate.Status, unknown.Status) == (0x0000, 0x0111, 0x0112)
    assert (completed.Status, too_late.Status, too_late.ErrorID) == (0x0000, 0x0110, 0xA710)
    assert not hospital.findscu(f"AccessionNumber={accession}")

    # 6: read and signed on the pages
    radiologist = Person(ris.http_port)
    radiologist.log_in("radiologist")
    order = radiologist.get(f"/search/?q={accession}")
    report = radiologist.submit(order, "/reading/open/")
    signed = radiologist.submit(
        report, "/sign/", button=("as", "final"), findings="No bleeding.", impression="Normal."
    )
    assert signed.status == 200
    request = hospital.fhir("GET", f"ServiceRequest?identifier={accession}")["entry"][0]["resource"]
    found = hospital.fhir("GET", f"DiagnosticReport?based-on=ServiceRequest/{request['id']}")
    resource = found["entry"][0]["resource"]
    assert (request["status"], resource["status"]) == ("completed", "final")

    # 6, 7: the placer hears of every step and gets the text; the archive gets the Study UID
    wait_until(
        lambda: any("Normal." in m.text for m in hospital.placer.of_type(r"ORU\^R01")),
        "the report at the placer",
    )
    wait_until(
        lambda: ("OMG^O19", "SC", "CM", "F") in told(hospital.placer, r"OMG\^O19", number),
        f"the end of the order at the placer: {told(hospital.placer, '.*', number)}",
    )
    heard = told(hospital.placer, r"OMG\^O19", number)
    assert heard[0] == ("OMG^O19", "SC", "SC", "S")
    assert ("OMG^O19", "SC", "IP", "I") in heard
    assert {m.type for m in hospital.placer.of_type(r"SIU\^S12") if number in m.text} == {"SIU^S12"}
    scheduled = [m for m in hospital.archive.of_type(r"ORM\^O01") if number in m.text]
    assert (scheduled[0].field("ORC", 1), scheduled[0].field("ORC", 5)) == ("NW", "SC")
    assert scheduled[0].field("ZDS", 1).split("^")[0] == uid
    assert len({m.control_id for m in hospital.placer.heard}) == len(hospital.placer.heard)

    # 8: one page tells all of it
    page = radiologist.get(order.path).text + radiologist.get(f"{order.path}timeline/").text
    for word in ("ORM^O01", "CT1", "ORU^R01", "OMG^O19", "radiologist", "AA"):
        assert word in page, word


@requires("dcmtk", "dcmjs-dimse")
def test_a_fhir_order_is_booked_on_the_pages_and_performed_by_another_stack(
    hospital: Hospital,
) -> None:
    ris = hospital.ris

    # 3: ordered by FHIR, without a time
    request = hospital.fhir(
        "POST",
        "ServiceRequest",
        {
            "resourceType": "ServiceRequest",
            "status": "active",
            "intent": "order",
            "identifier": [
                {
                    "type": {
                        "coding": [
                            {
                                "system": "http://terminology.hl7.org/CodeSystem/v2-0203",
                                "code": "PLAC",
                            }
                        ]
                    },
                    "system": "urn:ris:issuer:EHR",
                    "value": "FH88001",
                }
            ],
            "code": {"coding": [{"system": "urn:x", "code": "CTCHEST", "display": "CT chest"}]},
            "orderDetail": [
                {
                    "coding": [
                        {"system": "http://dicom.nema.org/resources/ontology/DCM", "code": "CT"}
                    ]
                }
            ],
            "subject": {"reference": "#p"},
            "requester": {"display": "Dr. Olga Ordonez"},
            "contained": [
                {
                    "resourceType": "Patient",
                    "id": "p",
                    "identifier": [{"system": "urn:ris:issuer:HOSPITAL", "value": "J88001"}],
                    "name": [{"family": "Ōkubo", "given": ["Haru"]}],
                    "birthDate": "1988-01-02",
                    "gender": "female",
                }
            ],
        },
    )
    key = request["id"]
    accession = next(
        i["value"]
        for i in request["identifier"]
        if any(c.get("code") == "ACSN" for c in i.get("type", {}).get("coding", []))
    )
    assert not hospital.findscu(f"AccessionNumber={accession}")

    # 4: it waits, is held and booked, and is on the list of its day
    scheduler = Person(ris.http_port)
    scheduler.log_in("scheduler")
    assert accession in scheduler.get(f"/orders/?q={accession}").text
    order = scheduler.get(f"/orders/{key}/")
    book = next(link for link in order.links if link.startswith("/book/"))
    page = scheduler.get(book)
    slot = next(each for form in page.forms for each in form.buttons if each[0] == "hold")
    held = scheduler.submit(page, book, button=slot)
    confirm = next(each for form in held.forms for each in form.buttons if each[0] == "confirm")
    booked = scheduler.submit(held, book, button=confirm)
    assert booked.status == 200
    answers = hospital.findscu(f"AccessionNumber={accession}")
    assert [answer["PatientName"] for answer in answers] == ["Ōkubo^Haru"]
    day = answers[0]["ScheduledProcedureStepStartDate"]
    board = scheduler.get(f"/board/?view=table&day={day[:4]}-{day[4:6]}-{day[6:]}")
    assert key in board.text

    # 5: performed by dcmjs-dimse
    entry = hospital.entry(accession)
    performed = new_uid()
    start = begun(entry, station=answers[0]["ScheduledStationAETitle"], at=datetime.now(UTC))
    assert hospital.dcmjs("n-create", performed, start)["status"] == 0
    task = hospital.fhir("GET", f"Task?based-on=ServiceRequest/{key}")["entry"][0]["resource"]
    assert task["status"] == "in-progress"
    end = ended(entry, at=datetime.now(UTC))
    assert hospital.dcmjs("n-set", performed, end)["status"] == 0
    assert (
        hospital.dcmjs("n-set", performed, ended(entry, at=datetime.now(UTC) + timedelta(1)))[
            "status"
        ]
        == 0x0110
    )
    study = hospital.fhir("GET", f"ImagingStudy?basedon=ServiceRequest/{key}")
    assert study["total"] == 1 if "total" in study else len(study["entry"]) == 1


def test_an_exam_that_matches_no_order_is_kept_and_shown(hospital: Hospital) -> None:
    entry = Dataset()
    entry.PatientName, entry.PatientID = "Nemo^Nina", "J99999"
    entry.PatientBirthDate, entry.PatientSex = "19800101", "F"
    entry.StudyInstanceUID, entry.AccessionNumber = new_uid(), "NOSUCH1"
    step = Dataset()
    step.ScheduledStationAETitle, step.Modality = "CT1", "CT"
    step.ScheduledProcedureStepID = "NOSUCH"
    entry.ScheduledProcedureStepSequence = [step]
    association = hospital.dicom(MPPS)

    status, _ = association.send_n_create(
        begun(entry, station="CT1", at=datetime.now(UTC)), MPPS, new_uid()
    )
    association.release()

    assert status.Status == 0
    technologist = Person(hospital.ris.http_port)
    technologist.log_in("technologist")
    assert "J99999" in technologist.get("/exceptions/").text


def test_errors_of_fhir_are_outcomes(hospital: Hospital) -> None:
    for path, status in (("ServiceRequest/none", 404), ("Nonsense", 404)):
        with pytest.raises(urllib.error.HTTPError) as refused:
            hospital.fhir("GET", path)
        body = json.loads(refused.value.read())
        refused.value.close()
        assert (refused.value.code, body["resourceType"]) == (status, "OperationOutcome")


def test_a_scanner_may_do_the_same_by_http(hospital: Hospital) -> None:
    """PS3.18 14 and 15 through the web server itself; CT1 has a token in the demo."""
    today, uid = f"{datetime.now(UTC):%Y%m%d}", new_uid()
    begun = n_create(PatientName="Webster^Wanda", PatientID="J99998").to_json_dict()
    ended = n_set().to_json_dict()

    by_dimse = hospital.findscu(
        "(0040,0100)[0].ScheduledStationAETitle=CT1",
        f"(0040,0100)[0].ScheduledProcedureStepStartDate={today}-",
    )
    found = hospital.web(
        "GET",
        "modality-scheduled-procedure-steps?includefield=AccessionNumber,PatientName"
        "&00400100.ScheduledStationAETitle=CT1"
        f"&00400100.ScheduledProcedureStepStartDate={today}-",
    )
    address = f"modality-performed-procedure-steps/{uid}"
    created = hospital.web("POST", address, begun)
    # In chunks, without a length, as some HTTP clients send every body.
    updated = hospital.web("POST", f"{address}?update", ended, chunked=True)
    read = hospital.web("GET", f"{address}?includefield=PerformedProcedureStepStatus")

    numbers = [one["00080050"]["Value"][0] for one in json.loads(found[1])]
    assert numbers == [one["AccessionNumber"] for one in by_dimse] != []
    assert (found[0], created[0], updated[0], read[0]) == (200, 201, 200, 200)
    assert json.loads(read[1]) == [{"00400252": {"vr": "CS", "Value": ["COMPLETED"]}}]
    assert "Webster" not in hospital.ris.output
    assert "includefield" not in hospital.ris.output
