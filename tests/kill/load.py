"""Work that goes on while parts are killed: orders in, exams done, reports signed.

Every worker behaves as its kind does in life: it repeats what was not answered, with the same
bytes, until it gets an answer; and it writes down what it was promised. The ledger is then compared
with what the system holds.
"""

from __future__ import annotations

import http.client
import json
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from pydicom.dataset import Dataset
from pynetdicom import AE
from pynetdicom.sop_class import ModalityPerformedProcedureStep  # type: ignore[attr-defined]

from ris.domain.identifiers import new_uid
from tests.pages import Person
from tests.peers import exchange

PATIENCE_SECONDS = 150.0


@dataclass(slots=True)
class Ledger:
    """What the outside was promised."""

    placed: dict[str, bytes] = field(default_factory=dict)  # placer number → bytes answered AA
    canceled: set[str] = field(default_factory=set)
    created: dict[str, str] = field(default_factory=dict)  # FHIR identifier → resource id
    started: dict[str, str] = field(default_factory=dict)  # placer number → SOP Instance UID
    completed: set[str] = field(default_factory=set)
    signed: set[str] = field(default_factory=set)  # placer numbers
    booked: set[str] = field(default_factory=set)
    refused: list[str] = field(default_factory=list)  # answers nobody should have got
    repeats: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


@dataclass(slots=True)
class Site:
    http_port: int
    dicom_port: int
    mllp_port: int
    token: str = "demo-ehr-token"


class Worker(threading.Thread):
    """Repeats :meth:`turn` until told to stop; an exception ends it and is kept."""

    def __init__(self, site: Site, ledger: Ledger, number: int) -> None:
        super().__init__(daemon=True, name=f"{type(self).__name__} {number}")
        self.site = site
        self.ledger = ledger
        self.number = number
        self.random = random.Random(number)
        self.stopping = threading.Event()
        self.error: BaseException | None = None
        self.last = ""

    def run(self) -> None:
        try:
            while not self.stopping.is_set():
                self.turn()
        except BaseException as error:
            self.error = error

    def turn(self) -> None:
        raise NotImplementedError

    def insist(self, action: Callable[[], str | None]) -> str:
        """Repeat ``action`` until it gives an answer; a lost connection is no answer."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            try:
                answer = action()
                if answer is not None:
                    return answer
            except (OSError, http.client.HTTPException) as error:
                self.last = repr(error)
            with self.ledger.lock:
                self.ledger.repeats += 1
            time.sleep(0.02)
        raise AssertionError(
            f"{self.name}: no answer within {PATIENCE_SECONDS:g} s; last: {self.last}"
        )


def orm(control: str, number: str, start: datetime, *, order_control: str = "NW") -> bytes:
    """An ORM^O01 as an EHR sends it, with a Study Instance UID and a time."""
    at = start.strftime("%Y%m%d%H%M%S")
    lines = [
        f"MSH|^~\\&|KILLEHR|HOSP|RIS|RAD|{at}||ORM^O01|{control}|P|2.3.1||||||UNICODE UTF-8",
        f"PID|1||M{number}^^^KILL^MR||Probe^Petra||19700503|F",
        "PV1|1|O",
        f"ORC|{order_control}|{number}^KILLEHR|||||^^^{at}^^R",
        f"OBR|1|{number}^KILLEHR||CTHEAD^CT head^L||||||||||||||||||||CT|||^^^{at}^^R",
    ]
    if order_control == "NW":
        lines.append(f"ZDS|2.25.{int(number[1:]) + 10**20}^RIS^Application^DICOM")
    return ("\r".join(lines) + "\r").encode()


class Ehr(Worker):
    """Places orders; cancels one in six."""

    count = 0

    def turn(self) -> None:
        self.count += 1
        number = f"K{self.number:02d}{self.count:06d}"
        start = datetime.now(UTC).replace(microsecond=0) + timedelta(
            minutes=self.random.randrange(5000)
        )
        message = orm(f"C{number}", number, start)
        self._send(message)
        with self.ledger.lock:
            self.ledger.placed[number] = message
        if self.count % 6 == 0:
            self._send(orm(f"D{number}", number, start, order_control="CA"))
            with self.ledger.lock:
                self.ledger.canceled.add(number)
        self.stopping.wait(0.02)

    def _send(self, message: bytes) -> None:
        def attempt() -> str | None:
            reply = exchange(self.site.mllp_port, message, timeout=10).decode()
            code = next(line for line in reply.split("\r") if line.startswith("MSA")).split("|")[1]
            if code == "AA":
                return code
            if "206" in reply or "207" in reply:
                self.last = reply
                return None  # asked to come again
            with self.ledger.lock:
                self.ledger.refused.append(reply)
            return code

        self.insist(attempt)


class FhirEhr(Worker):
    """Creates service requests conditionally, as a client that may repeat itself does."""

    count = 0

    def turn(self) -> None:
        self.count += 1
        number = f"F{self.number:02d}{self.count:06d}"
        identifier = {
            "type": {
                "coding": [
                    {"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "PLAC"}
                ]
            },
            "system": "urn:ris:issuer:KILLFHIR",
            "value": number,
        }
        body = json.dumps(
            {
                "resourceType": "ServiceRequest",
                "status": "active",
                "intent": "order",
                "identifier": [identifier],
                "code": {"coding": [{"system": "urn:test", "code": "CTHEAD", "display": "CT"}]},
                "subject": {"reference": "#p"},
                "contained": [
                    {
                        "resourceType": "Patient",
                        "id": "p",
                        "identifier": [{"system": "urn:ris:issuer:KILL", "value": f"M{number}"}],
                        "name": [{"family": "Probe", "given": ["Paul"]}],
                    }
                ],
            }
        )

        def attempt() -> str | None:
            connection = http.client.HTTPConnection("127.0.0.1", self.site.http_port, timeout=10)
            connection.request(
                "POST",
                "/fhir/ServiceRequest",
                body,
                {
                    "Authorization": f"Bearer {self.site.token}",
                    "Content-Type": "application/fhir+json",
                    "If-None-Exist": f"identifier=urn:ris:issuer:KILLFHIR|{number}",
                },
            )
            response = connection.getresponse()
            text = response.read().decode()
            if response.status in {502, 503}:
                return None
            if response.status not in {200, 201}:
                with self.ledger.lock:
                    self.ledger.refused.append(f"{response.status} {text}")
                return ""
            location = response.headers["Location"]
            return location.split("ServiceRequest/")[1].split("/")[0]

        created = self.insist(attempt)
        with self.ledger.lock:
            self.ledger.created[number] = created
        self.stopping.wait(0.1)


class Scanner(Worker):
    """Performs placed orders: N-CREATE, then N-SET, each on an association of its own."""

    def turn(self) -> None:
        number = self._next()
        if number is None:
            self.stopping.wait(0.1)
            return
        uid = new_uid()
        if self._create(number, uid) != "0000":
            return
        with self.ledger.lock:
            self.ledger.started[number] = uid
        self._complete(uid)
        with self.ledger.lock:
            self.ledger.completed.add(number)

    def _next(self) -> str | None:
        """An order of this scanner that is neither done nor about to be canceled."""
        with self.ledger.lock:
            for number in self.ledger.placed:
                serial = int(number[3:])
                if (
                    serial % 6
                    and serial % 3 == self.number % 3
                    and number not in self.ledger.started
                ):
                    return number
        return None

    def _with_association(
        self, request: Callable[..., tuple[Dataset, Dataset | None]]
    ) -> str | None:
        ae = AE("CT1")
        ae.add_requested_context(ModalityPerformedProcedureStep)
        ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = 10
        association = ae.associate("127.0.0.1", self.site.dicom_port, ae_title="RIS")
        try:
            if not association.is_established:
                return None
            status, _ = request(association)
            return f"{status.Status:04X}" if "Status" in status else None
        finally:
            if association.is_established:
                association.release()
            else:
                association.abort()

    def _create(self, number: str, uid: str) -> str:
        scheduled = Dataset()
        scheduled.StudyInstanceUID = f"2.25.{int(number[1:]) + 10**20}"
        scheduled.ReferencedStudySequence = []
        scheduled.AccessionNumber = ""
        scheduled.RequestedProcedureID = ""
        scheduled.RequestedProcedureDescription = ""
        scheduled.ScheduledProcedureStepID = ""
        scheduled.ScheduledProcedureStepDescription = ""
        scheduled.ScheduledProtocolCodeSequence = []
        performed = Dataset()
        performed.ScheduledStepAttributesSequence = [scheduled]
        performed.PatientName = "Probe^Petra"
        performed.PatientID = f"M{number}"
        performed.PatientBirthDate = "19700503"
        performed.PatientSex = "F"
        performed.ReferencedPatientSequence = []
        performed.PerformedProcedureStepID = "1"
        performed.PerformedStationAETitle = "CT1"
        performed.PerformedStationName = ""
        performed.PerformedLocation = ""
        now = datetime.now(UTC)
        performed.PerformedProcedureStepStartDate = now.strftime("%Y%m%d")
        performed.PerformedProcedureStepStartTime = now.strftime("%H%M%S")
        performed.PerformedProcedureStepStatus = "IN PROGRESS"
        performed.PerformedProcedureStepDescription = ""
        performed.PerformedProcedureTypeDescription = ""
        performed.ProcedureCodeSequence = []
        performed.PerformedProcedureStepEndDate = ""
        performed.PerformedProcedureStepEndTime = ""
        performed.Modality = "CT"
        performed.StudyID = ""
        performed.PerformedProtocolCodeSequence = []
        performed.PerformedSeriesSequence = []

        def attempt() -> str | None:
            status = self._with_association(
                lambda association: association.send_n_create(
                    performed, ModalityPerformedProcedureStep, uid
                )
            )
            return (
                "0000" if status == "0111" else status
            )  # it was stored before the answer was lost

        return self._expect("N-CREATE", attempt)

    def _complete(self, uid: str) -> str:
        series = Dataset()
        series.PerformingPhysicianName = ""
        series.ProtocolName = "Head"
        series.OperatorsName = ""
        series.SeriesInstanceUID = new_uid()
        series.SeriesDescription = ""
        series.RetrieveAETitle = ""
        series.ReferencedImageSequence = []
        series.ReferencedNonImageCompositeSOPInstanceSequence = []
        changes = Dataset()
        changes.PerformedProcedureStepStatus = "COMPLETED"
        now = datetime.now(UTC)
        changes.PerformedProcedureStepEndDate = now.strftime("%Y%m%d")
        changes.PerformedProcedureStepEndTime = now.strftime("%H%M%S")
        changes.PerformedSeriesSequence = [series]

        def attempt() -> str | None:
            status = self._with_association(
                lambda association: association.send_n_set(
                    changes, ModalityPerformedProcedureStep, uid
                )
            )
            return "0000" if status == "0110" else status

        return self._expect("N-SET", attempt)

    def _expect(self, name: str, attempt: Callable[[], str | None]) -> str:
        status = self.insist(attempt)
        if status != "0000":
            with self.ledger.lock:
                self.ledger.refused.append(f"{name} {status}")
        return status


class Reader(Worker):
    """Signs reports on the pages for exams that are done."""

    person: Person | None = None

    def turn(self) -> None:
        number = self._next()
        if number is None:
            self.stopping.wait(0.1)
            return
        self.insist(lambda: self._sign(number))
        with self.ledger.lock:
            self.ledger.signed.add(number)
        self.stopping.wait(0.1)

    def _next(self) -> str | None:
        with self.ledger.lock:
            waiting = sorted(self.ledger.completed - self.ledger.signed)
        return waiting[0] if waiting else None

    def _sign(self, number: str) -> str | None:
        """Open the exam from the reading list's search and sign; signed already is signed."""
        if self.person is None:
            person = Person(self.site.http_port)
            person.log_in("radiologist")
            self.person = person
        return sign(self.person, number)


def sign(person: Person, number: str) -> str | None:
    """Find the exam by its placer number, open its report, sign; None if a page was not right.

    A report that shows no editor was signed by the click whose answer was lost.
    """
    order = person.get(f"/search/?q={number}")
    if order.status != 200 or not order.path.startswith("/orders/"):
        return None
    link = next((link for link in order.links if link.startswith("/reports/")), None)
    report = person.get(link) if link else person.submit(order, "/reading/open/")
    if report.status != 200 or not report.path.startswith("/reports/"):
        return None
    if not any("/sign/" in form.action for form in report.forms):
        return "signed"
    done = person.submit(
        report,
        "/sign/",
        button=("as", "final"),
        findings=f"Nothing of note in {number}.",
        impression="Normal.",
    )
    return "signed" if done.status == 200 and "/sign/" not in done.path else None
