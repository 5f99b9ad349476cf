"""DICOMweb over real HTTP beside DIMSE over real associations: the same questions and answers.

The client of HTTP is ``http.client``, that of DIMSE pynetdicom; there is nothing of ours between.
"""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote, urlencode, urlsplit
from xml.etree import ElementTree

import pytest
from pydicom.config import IGNORE
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset

from ris.domain.accounts import IssueToken
from ris.domain.actors import OPERATOR
from ris.domain.identifiers import new_uid
from ris.domain.orders import StepStatus
from ris.domain.values import PersonName
from ris.models import (
    AuditEvent,
    DomainEvent,
    InboundMessage,
    Order,
    PerformedProcedureStep,
    WorklistQueryLog,
    WorklistSighting,
)
from ris.services import execute
from tests import make
from tests.running import wait_until
from tests.wire.worklist_server import modality, running
from tests.worklist.performed import n_create, n_set, scheduled
from worklist.elements import tag_of, vr_of
from worklist.server import ServerThread
from worklist.web import views

pytestmark = [pytest.mark.wire, pytest.mark.django_db(transaction=True)]

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
SCHEDULED = "modality-scheduled-procedure-steps"
PERFORMED = "modality-performed-procedure-steps"
JSON = "application/dicom+json"
XML = "application/dicom+xml"


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    content: bytes

    @property
    def datasets(self) -> list[Dataset]:
        return [Dataset.from_json(one) for one in json.loads(self.content or b"[]")]


@dataclass(frozen=True)
class Web:
    """A client of one running server."""

    url: str
    token: str

    def call(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Answer:
        parts = urlsplit(self.url)
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=30)
        sent = {"Authorization": f"Bearer {self.token}"}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        try:
            connection.request(method, f"/dicom-web/{path}", body, sent)
            response = connection.getresponse()
            return Answer(response.status, dict(response.headers), response.read())
        finally:
            connection.close()

    def search(self, query: str, **headers: str) -> Answer:
        return self.call("GET", f"{SCHEDULED}?{query}", **headers)

    def create(self, uid: str, dataset: Dataset) -> Answer:
        return self.call("POST", f"{PERFORMED}/{uid}", _json(dataset), Content_Type=JSON)

    def update(self, uid: str, dataset: Dataset) -> Answer:
        return self.call("POST", f"{PERFORMED}/{uid}?update", _json(dataset), Content_Type=JSON)


def _json(dataset: Dataset) -> bytes:
    return json.dumps(dataset.to_json_dict()).encode()


@pytest.fixture
def dimse(transactional_db: None) -> Iterator[ServerThread]:
    make.site()
    make.device("CT1", "CT")
    make.device("CT2", "CT")
    with running() as listener:
        yield listener


@pytest.fixture
def web(live_server: Any, dimse: ServerThread) -> Iterator[Web]:
    views.handlers.cache_clear()
    # As tests.wire.worklist_server builds the listener.
    registry = views.handlers().registry
    registry.seconds, registry.window = 0, None
    command = IssueToken(client="CT1", scopes=("system/worklist.read", "system/mpps.*"))
    yield Web(live_server.url, execute(command, actor=OPERATOR).secret)
    wait_until(lambda: not _under_way(), "every request ends")
    views.handlers.cache_clear()


def _under_way() -> list[str]:
    return [each.name for each in threading.enumerate() if "process_request" in each.name]


# --- search

PEOPLE = (
    PersonName.of("Müller", "Jörg"),
    PersonName.of("Baker", "Nora"),
    PersonName(alphabetic="Yamada^Tarou", ideographic="山田^太郎", phonetic="やまだ^たろう"),
    PersonName.of("Łukasz", "Żółć"),
    PersonName.of("O'Neil & Sons <x>", "A"),
)


@pytest.fixture
def steps(dimse: ServerThread) -> list[Order]:
    """Ten steps on two stations and three days, in several scripts."""
    return [
        make.booked(
            NOON + timedelta(days=number % 3, minutes=40 * number),
            station="CT2" if number % 4 == 3 else "CT1",
            patient=make.patient(f"P{number}", name=PEOPLE[number % len(PEOPLE)]),
        )
        for number in range(10)
    ]


WANTED = ("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "AccessionNumber",
          "StudyInstanceUID", "RequestedProcedureID", "RequestedProcedureCodeSequence.CodeValue",
          "RequestedProcedureCodeSequence.CodingSchemeDesignator",
          "RequestedProcedureCodeSequence.CodeMeaning",
          "RequestingPhysician", "PatientWeight", "PregnancyStatus", "TimezoneOffsetFromUTC",
          "ScheduledProcedureStepSequence.ScheduledProcedureStepStartDate",
          "ScheduledProcedureStepSequence.ScheduledProcedureStepStartTime",
          "ScheduledProcedureStepSequence.ScheduledStationAETitle",
          "ScheduledProcedureStepSequence.Modality",
          "ScheduledProcedureStepSequence.ScheduledProcedureStepID",
          "ScheduledProcedureStepSequence.ScheduledProtocolCodeSequence")  # fmt: skip
STEP = "ScheduledProcedureStepSequence"
QUERIES: tuple[dict[str, str], ...] = (
    {},
    {"PatientName": "M*"},
    {"PatientName": "muller*"},
    {"PatientName": "山田*"},
    {"PatientName": "Łukasz^*"},
    {"PatientName": "O'Neil & Sons <x>*"},
    {"PatientID": "P3"},
    {"PatientID": "p3"},
    {"PatientID": "P?"},
    {"PatientID": "P1,P2"},
    {"PatientBirthDate": "19700101-19701231"},
    {f"{STEP}.Modality": "MR"},
    {f"{STEP}.Modality": "CT\\MR"},
    {f"{STEP}.ScheduledStationAETitle": "CT1",
     f"{STEP}.ScheduledProcedureStepStartDate": "20260302"},
    {f"{STEP}.ScheduledProcedureStepStartDate": "20260303-"},
    {f"{STEP}.ScheduledProcedureStepStartDate": "20260302-20260304",
     f"{STEP}.ScheduledProcedureStepStartTime": "1400-1530"},
    {f"{STEP}.ScheduledProcedureStepStartTime": "-1500"},
    {"RequestedProcedureCodeSequence.CodeValue": "CTHEAD",
     "RequestedProcedureCodeSequence.CodingSchemeDesignator": "TEST"},
    {"RequestedProcedurePriority": "ROUTINE"},
    {"PatientSex": "M"},
    {"PatientComments": "x", "PatientName": "Baker*"},
)  # fmt: skip


def identifier(matches: dict[str, str]) -> Dataset:
    """The identifier of a C-FIND with these keys, and everything in WANTED."""
    found = Dataset()
    found.SpecificCharacterSet = "ISO_IR 192"
    for path in (*WANTED, *matches):
        level = found
        *above, keyword = path.split(".")
        for sequence in above:
            if not level.get(sequence):
                setattr(level, sequence, [Dataset()])
            level = level[sequence][0]
        if path in matches:
            tag = tag_of(keyword)
            level.add(DataElement(tag, vr_of(tag), matches[path], validation_mode=IGNORE))
        elif keyword not in level:
            vr = vr_of(tag_of(keyword))
            level.add_new(tag_of(keyword), vr, [] if vr == "SQ" else None)
    return found


def parameters(matches: dict[str, str]) -> str:
    return urlencode({**matches, "includefield": ",".join(WANTED)}, quote_via=quote)


def test_queries_are_answered_alike(web: Web, dimse: ServerThread, steps: list[Order]) -> None:
    scanner = modality(dimse)
    found = []
    for matches in QUERIES:
        by_dimse = scanner.find(identifier(matches))
        by_http = web.search(parameters(matches))

        assert by_dimse.status == 0, matches
        assert by_http.status == (200 if by_dimse.identifiers else 204), (matches, by_http.content)
        assert by_http.datasets == list(by_dimse.identifiers), matches
        found.append(len(by_dimse.identifiers))

    # Of ten steps; so no query is empty on both sides by mistake.
    assert found == [10, 2, 2, 2, 2, 2, 1, 0, 10, 0, 10, 0, 10, 3, 6, 7, 4, 10, 10, 0, 2]


def test_a_truncated_answer_says_so_on_both_ways(
    web: Web, dimse: ServerThread, steps: list[Order], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(views.handlers(), "matches", 4)

    with running(matches=4) as small:
        by_dimse = modality(small).find(identifier({}))
    by_http = web.search(parameters({}))

    assert (by_dimse.status, len(by_dimse.identifiers)) == (0xA700, 4)
    assert (by_http.status, len(by_http.datasets)) == (200, 4)
    assert by_http.datasets == list(by_dimse.identifiers)
    assert "A700 There are more than 4 matches; ask for less." in by_http.headers["Warning"]


@pytest.mark.parametrize(
    ("matches", "element"),
    [
        ({f"{STEP}.ScheduledProcedureStepStartDate": "tomorrow"}, "(0040,0002)"),
        ({f"{STEP}.ScheduledProcedureStepStartTime": "2561"}, "(0040,0003)"),
        ({"PatientBirthDate": "1970-13-40-"}, "(0010,0030)"),
    ],
)
def test_a_query_is_refused_alike(
    web: Web, dimse: ServerThread, matches: dict[str, str], element: str
) -> None:
    by_dimse = modality(dimse).find(identifier(matches))
    by_http = web.search(parameters(matches))

    assert by_dimse.status == 0xA900
    assert by_http.status == 400
    report = json.loads(by_http.content)
    assert (report["dicomStatus"], report["attributes"]) == ("A900", [element])
    assert report["message"] == by_dimse.comment
    assert by_http.headers["Warning"] == f"299 {web.url}/dicom-web: A900 {by_dimse.comment}"


def test_queries_are_on_record_alike(web: Web, dimse: ServerThread, steps: list[Order]) -> None:
    modality(dimse).find(identifier({"PatientID": "P3"}))
    web.search(parameters({"PatientID": "P3"}))

    by_dimse, by_http = WorklistQueryLog.objects.order_by("id")
    for name in ("calling_ae_title", "called_ae_title", "keys", "matches", "steps", "status"):
        assert getattr(by_http, name) == getattr(by_dimse, name), name
    assert by_http.calling_ae_title == "CT1"
    audits = AuditEvent.objects.filter(action="QueryWorklist").order_by("id")
    assert [(one.actor_kind, one.actor_name, one.outcome) for one in audits] == [
        ("device", "CT1", "success"),
        ("client", "CT1", "success"),
    ]
    assert audits[0].patients == audits[1].patients != []
    assert WorklistSighting.objects.get().count == 2


def test_only_the_page_counts_as_shown(web: Web, steps: list[Order]) -> None:
    answer = web.search("limit=3&offset=2")

    assert len(answer.datasets) == 3
    assert "There are 5 additional results that can be requested" in answer.headers["Warning"]
    assert WorklistSighting.objects.count() == 3


# --- performed steps


def told(order: Order, uid: str) -> tuple[Dataset, Dataset]:
    """What a modality says of an order's step: N-CREATE and last N-SET."""
    step = make.step_of(order)
    begun = n_create(
        SpecificCharacterSet="ISO_IR 192",
        PatientName=order.patient.name,
        PatientID="P1",
        PerformedProcedureStepDescription="Schädel, nativ",
        PerformedProcedureStepStartDate="20260302",
        PerformedProcedureStepStartTime="131000",
        ScheduledStepAttributesSequence=[
            scheduled(
                StudyInstanceUID=step.procedure.study_instance_uid,
                AccessionNumber=order.accession_number,
                RequestedProcedureID=step.procedure.procedure_id,
                ScheduledProcedureStepID=step.step_id,
            )
        ],
    )
    ended = n_set(PerformedProcedureStepEndDate="20260302", PerformedProcedureStepEndTime="133000")
    ended.PerformedSeriesSequence[0].SeriesInstanceUID = f"{uid}.1"
    return begun, ended


def rows(uid: str, order: Order) -> dict[str, Any]:
    """What is stored of a performed step and of what it moved, without names and times of ours."""
    performed = PerformedProcedureStep.objects.get(sop_instance_uid=uid)
    left_out = {"id", "public_id", "sop_instance_uid", "order_id", "study_instance_uid",
                "references", "dataset", "created_at", "updated_at", "version"}  # fmt: skip
    fields = {
        field.attname: getattr(performed, field.attname)
        for field in performed._meta.concrete_fields
        if field.attname not in left_out
    }
    dataset = {
        key: value
        for key, value in performed.dataset.items()
        if key not in {"00400270", "00400340"}
    }
    series = performed.series.values(
        "protocol_name", "description", "modality", "retrieve_ae_title", "performing_physician",
        "operators", "instance_count",
    )  # fmt: skip
    events = DomainEvent.objects.filter(subject_id=performed.public_id).order_by("id")
    step = make.step_of(order)
    return {
        **fields,
        "dataset": dataset,
        "series": list(series),
        "events": [event.name for event in events],
        "step": step.status,
        "order": Order.objects.get(pk=order.pk).status,
        "stage": step.procedure.stage,
    }


@pytest.fixture
def pair(dimse: ServerThread) -> tuple[Order, Order]:
    """Two orders that differ in nothing but their numbers."""
    patient = make.patient("P1")
    return (
        make.booked(NOON, patient=patient),
        make.booked(NOON + timedelta(hours=1), patient=patient),
    )


def test_an_exam_leaves_the_same_rows(
    web: Web, dimse: ServerThread, pair: tuple[Order, Order]
) -> None:
    scanner = modality(dimse)
    uids = new_uid(), new_uid()

    begun, ended = told(pair[0], uids[0])
    scanner.create(begun, uids[0])
    during_dimse = rows(uids[0], pair[0])
    scanner.set(ended, uids[0])
    begun, ended = told(pair[1], uids[1])
    created = web.create(uids[1], begun)
    during_http = rows(uids[1], pair[1])
    updated = web.update(uids[1], ended)

    assert (created.status, updated.status) == (201, 200)
    assert created.headers["Location"] == f"{web.url}/dicom-web/{PERFORMED}/{uids[1]}"
    assert (created.content, updated.content) == (b"", b"")
    assert during_http == during_dimse
    assert during_http["step"] == StepStatus.STARTED.value
    assert rows(uids[1], pair[1]) == rows(uids[0], pair[0])
    assert rows(uids[1], pair[1])["step"] == StepStatus.COMPLETED.value
    assert rows(uids[1], pair[1])["description"] == "CT abdomen"


def test_what_one_way_created_the_other_updates_and_reads(
    web: Web, dimse: ServerThread, pair: tuple[Order, Order]
) -> None:
    scanner, uid = modality(dimse), new_uid()
    begun, ended = told(pair[0], uid)

    created = web.create(uid, begun)
    scanner.set(ended, uid)
    by_dimse = scanner.get(uid)
    by_http = web.call("GET", f"{PERFORMED}/{uid}")

    assert (created.status, by_http.status) == (201, 200)
    by_dimse.pop("SpecificCharacterSet", None)
    assert by_http.datasets == [by_dimse]
    assert by_http.datasets[0].PerformedProcedureStepStatus == "COMPLETED"
    assert by_http.datasets[0].PatientName == pair[0].patient.name


def test_refusals_have_the_statuses_of_the_chapter(
    web: Web, dimse: ServerThread, pair: tuple[Order, Order]
) -> None:
    scanner, uid = modality(dimse), new_uid()
    begun, ended = told(pair[0], uid)
    scanner.create(begun, uid)

    again = web.create(uid, begun)
    not_begun = web.create(new_uid(), n_create(PerformedProcedureStepStatus="COMPLETED"))
    unknown = web.update(new_uid(), ended)
    scanner.set(ended, uid)
    too_late = web.update(uid, n_set("DISCONTINUED"))
    missing = web.call("GET", f"{PERFORMED}/{new_uid()}")

    assert (again.status, json.loads(again.content)["dicomStatus"]) == (409, "0111")
    assert (not_begun.status, json.loads(not_begun.content)["dicomStatus"]) == (400, "0106")
    assert json.loads(not_begun.content)["attributes"] == ["(0040,0252)"]
    assert (unknown.status, json.loads(unknown.content)["dicomStatus"]) == (404, "0112")
    assert (too_late.status, json.loads(too_late.content)["errorID"]) == (409, "A710")
    assert missing.status == 404
    assert {one.message_type for one in InboundMessage.objects.filter(protocol="dicomweb")} == {
        "MPPS N-CREATE",
        "MPPS N-SET",
    }


def test_of_creates_at_one_moment_over_both_ways_one_wins(
    web: Web, dimse: ServerThread, pair: tuple[Order, Order]
) -> None:
    uid = new_uid()
    begun, _ = told(pair[0], uid)

    def by_dimse(_: int) -> bool:
        with modality(dimse).association("1.2.840.10008.3.1.2.3.3") as association:
            status, _ = association.send_n_create(begun, "1.2.840.10008.3.1.2.3.3", uid)
        assert status.Status in {0x0000, 0x0111}
        return bool(status.Status == 0)

    def by_http(_: int) -> bool:
        answer = web.create(uid, begun)
        assert answer.status in {201, 409}
        return answer.status == 201

    with ThreadPoolExecutor(4) as pool:
        won = [pool.submit(way, 0) for way in (by_dimse, by_http) * 4]

    assert sum(one.result() for one in won) == 1
    assert PerformedProcedureStep.objects.count() == 1


def test_xml_says_the_same_as_json(web: Web, pair: tuple[Order, Order]) -> None:
    uid = new_uid()
    begun, _ = told(pair[0], uid)
    web.create(uid, begun)

    document = web.call("GET", f"{PERFORMED}/{uid}", Accept=XML)
    other = new_uid()
    created = web.call("POST", f"{PERFORMED}/{other}", _renamed(document.content, uid, other),
                       Content_Type=XML)  # fmt: skip
    first = web.call("GET", f"{PERFORMED}/{uid}")
    second = web.call("GET", f"{PERFORMED}/{other}")

    assert document.headers["Content-Type"] == f"{XML}; charset=utf-8"
    assert created.status == 201, created.content
    assert json.loads(second.content) == json.loads(_renamed(first.content, uid, other))


def _renamed(content: bytes, uid: str, other: str) -> bytes:
    return content.replace(f'{uid}"'.encode(), f'{other}"'.encode()).replace(
        f"{uid}<".encode(), f"{other}<".encode()
    )


def test_a_list_in_xml_is_multipart(web: Web, steps: list[Order]) -> None:
    answer = web.search("PatientID=P1&PatientID=P4&includefield=PatientName", Accept=XML)

    kind, _, rest = answer.headers["Content-Type"].partition(";")
    boundary = rest.partition("boundary=")[2]
    parts = answer.content.split(f"--{boundary}".encode())[1:-1]
    assert (kind, len(parts)) == ("multipart/related", 2)
    names = []
    for part in parts:
        head, _, body = part.partition(b"\r\n\r\n")
        assert head.strip() == f"Content-Type: {XML}; charset=utf-8".encode()
        root = ElementTree.fromstring(body)
        names += [one.text for one in root.iter() if one.tag.endswith("}FamilyName")]
    assert names == ["Baker", "O'Neil & Sons <x>"]
