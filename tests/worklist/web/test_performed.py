"""Create, update and retrieve performed steps (PS3.18 15); tests/wire compares them with DIMSE."""

from __future__ import annotations

import json
from io import BytesIO
from typing import Any
from xml.etree import ElementTree

import pytest

from ris.domain.actors import OPERATOR
from ris.domain.exchange import MessageState, Protocol, ReplayMessage
from ris.domain.identifiers import new_uid
from ris.domain.performing import PerformedStatus
from ris.models import AuditEvent, DomainEvent, InboundMessage, PerformedProcedureStep
from ris.services import execute
from ris.web.exchange.decoding import Item, decode
from tests import make
from tests.worklist.performed import n_create, n_set
from tests.worklist.web.api import JSON, PERFORMED, XML, Answer, Api, token, written
from worklist.web import json_model, xml_model
from worklist.web.exchange import Incoming

pytestmark = pytest.mark.django_db

STATUS = {"00400252": {"vr": "CS", "Value": ["IN PROGRESS"]}}


def stored(uid: str) -> PerformedProcedureStep:
    return PerformedProcedureStep.objects.get(sop_instance_uid=uid)


def message() -> InboundMessage:
    return InboundMessage.objects.latest("id")


# --- create and update


def test_a_created_step_is_at_its_address(api: Api) -> None:
    uid = new_uid()

    answer = api.create(uid, n_create())

    assert (answer.status, answer.content) == (201, b"")
    assert answer.headers["Location"] == f"http://testserver{PERFORMED}/{uid}"
    assert answer.headers["Content-Location"] == answer.headers["Location"]
    assert stored(uid).status == PerformedStatus.IN_PROGRESS.value
    audit = AuditEvent.objects.get(action="StartPerformedStep")
    assert (audit.actor_kind, audit.actor_name) == ("client", "CT1")


def test_as_many_images_are_read_as_a_body_can_name() -> None:
    image = b'{"00081150":{"vr":"UI","Value":["1.2"]},"00081155":{"vr":"UI","Value":["1.2.3"]}}'
    body = b'{"00081140":{"vr":"SQ","Value":[' + b",".join([image] * 35_000) + b"]}}"

    assert len(json_model.read(body)["00081140"]["Value"]) == 35_000


def test_the_request_is_kept_as_it_came_without_the_token(api: Api) -> None:
    uid = new_uid()
    body = written(n_create())

    api.create(uid, body)

    kept = message()
    head = f"POST http://testserver{PERFORMED}/{uid} HTTP/1.1\r\nContent-Type: {JSON}\r\n\r\n"
    assert bytes(kept.raw) == head.encode() + body
    assert (kept.protocol, kept.sender, kept.message_type, kept.outcome, kept.state) == (
        Protocol.DICOMWEB.value, "CT1", "MPPS N-CREATE", "201", MessageState.APPLIED.value,
    )  # fmt: skip
    assert kept.reply_state == "SENT"
    assert Incoming.from_bytes(bytes(kept.raw)).body == body


@pytest.mark.parametrize("content_type", [JSON, XML])
def test_a_kept_request_is_readable_on_its_page(api: Api, content_type: str) -> None:
    body = as_xml(n_create()) if content_type == XML else written(n_create())

    api.create("1.2.3", body, content_type=content_type)

    decoded = decode(bytes(message().raw), Protocol.DICOMWEB.value)
    assert [part.title for part in decoded.parts] == ["Message", "dataset"]
    assert Item("operation", "", "N-CREATE") in decoded.parts[0].items
    assert Item("(0010,0010)", "PatientName", "Baker^Nora") in decoded.parts[1].items


def test_a_kept_request_that_cannot_be_read_is_shown_as_it_came(api: Api) -> None:
    api.create("1.2.3", b"{broken")

    assert decode(bytes(message().raw), Protocol.DICOMWEB.value).text.endswith("{broken")


def test_the_examples_write_an_update_as_a_path(api: Api) -> None:
    """PS3.18 B.38 and B.39, which 15.5.1 contradicts."""
    uid = new_uid()
    api.create(uid, n_create())

    answer = api.request("POST", f"{PERFORMED}/{uid}/update", written(n_set()))

    assert (answer.status, answer.content) == (200, b"")
    assert stored(uid).status == PerformedStatus.COMPLETED.value


def test_an_answer_without_a_body_is_acceptable_in_any_form(api: Api) -> None:
    assert api.create(new_uid(), n_create(), Accept="text/html").status == 201


def test_a_repeated_create_is_a_duplicate(api: Api) -> None:
    uid = new_uid()
    api.create(uid, n_create())

    again = api.create(uid, n_create())

    assert again.status == 409
    assert again.body["dicomStatus"] == "0111"
    assert PerformedProcedureStep.objects.count() == 1
    assert InboundMessage.objects.count() == 2


def test_a_repeated_update_gets_its_first_answer(api: Api) -> None:
    uid = new_uid()
    api.create(uid, n_create())

    first, second = api.update(uid, n_set()), api.update(uid, n_set())

    assert (first.status, second.status) == (200, 200)
    assert InboundMessage.objects.filter(message_type="MPPS N-SET").count() == 1
    assert DomainEvent.objects.filter(name="PerformedStepCompleted").count() == 1


def test_a_refused_update_is_tried_again(api: Api) -> None:
    uid = new_uid()
    early = api.update(uid, n_set())
    api.create(uid, n_create())

    late = api.update(uid, n_set())

    assert (early.status, late.status) == (404, 200)


def test_a_stored_request_is_applied_again(api: Api) -> None:
    uid = new_uid()
    api.update(uid, n_set())
    refused = message()
    api.create(uid, n_create())

    execute(ReplayMessage(message=str(refused.public_id), reason="created late"), actor=OPERATOR)

    refused.refresh_from_db()
    assert (refused.state, refused.outcome) == (MessageState.APPLIED.value, "200")
    assert stored(uid).status == PerformedStatus.COMPLETED.value


def test_after_the_end_nothing_is_updated(api: Api) -> None:
    uid = new_uid()
    api.create(uid, n_create())
    api.update(uid, n_set())

    answer = api.update(uid, n_set("DISCONTINUED"))

    assert answer.status == 409
    assert (answer.body["dicomStatus"], answer.body["errorID"]) == ("0110", "A710")
    assert "A710" in answer.warning
    assert "no longer be updated" in answer.warning


@pytest.fixture
def strict(api: Api) -> Api:
    make.device("CT3", "CT", settings={"mpps": "strict"})
    return Api(token(client="CT3"))


def test_a_strict_device_is_refused_what_others_are_forgiven(api: Api, strict: Api) -> None:
    incomplete = n_create(PerformedProcedureStepID=None)

    forgiven, refused = api.create(new_uid(), incomplete), strict.create(new_uid(), incomplete)

    assert forgiven.status == 201
    assert refused.status == 400
    assert (refused.body["dicomStatus"], refused.body["attributes"]) == ("0120", ["(0040,0253)"])


def test_a_change_of_what_was_fixed_at_the_beginning_is_a_conflict(strict: Api) -> None:
    """The note of PS3.18 15.5.3."""
    uid = new_uid()
    created = strict.create(uid, n_create())

    answer = strict.update(uid, n_set(PatientID="other"))

    assert created.status == 201
    assert (answer.status, answer.body["attributes"]) == (409, ["(0010,0020)"])
    assert stored(uid).status == PerformedStatus.IN_PROGRESS.value


def test_a_create_that_has_ended_is_refused(api: Api) -> None:
    answer = api.create(new_uid(), n_create(PerformedProcedureStepStatus="COMPLETED"))

    assert (answer.status, answer.body) == (
        400,
        {
            "status": 400,
            "message": "a performed step begins IN PROGRESS",
            "dicomStatus": "0106",
            "attributes": ["(0040,0252)"],
        },
    )
    assert not PerformedProcedureStep.objects.exists()
    assert message().state == MessageState.REJECTED.value


# --- payloads


def as_xml(dataset: Any) -> bytes:
    return xml_model.write(dataset.to_json_dict())


def multipart(content: bytes, media_type: str) -> bytes:
    return (
        b"preamble\r\n--b1\r\nContent-Type: " + media_type.encode() + b"\r\n\r\n"
        + content + b"\r\n--b1--\r\n"
    )  # fmt: skip


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (written(n_create()), "application/dicom+json; charset=utf-8"),
        (written(n_create()), "application/json"),
        (b"[" + written(n_create()) + b"]", JSON),
        (b"\xef\xbb\xbf" + written(n_create()), JSON),
        (as_xml(n_create()), XML),
        (multipart(as_xml(n_create()), XML), f'multipart/related; type="{XML}"; boundary=b1'),
        (multipart(written(n_create()), JSON), "multipart/related; boundary=b1"),
    ],
)
def test_every_form_of_a_payload_says_the_same(api: Api, body: bytes, content_type: str) -> None:
    uid = new_uid()

    answer = api.create(uid, body, content_type=content_type)

    assert answer.status == 201, answer.content
    plain = new_uid()
    api.create(plain, n_create())
    assert stored(uid).dataset == stored(plain).dataset


@pytest.mark.parametrize("content_type", ["text/plain", "application/dicom", "image/jpeg", "x"])
def test_another_media_type_is_not_supported(api: Api, content_type: str) -> None:
    assert api.create(new_uid(), n_create(), content_type=content_type).status == 415


def test_another_character_set_is_not_supported(api: Api) -> None:
    answer = api.create(new_uid(), n_create(), content_type=f"{JSON}; charset=iso-8859-1")

    assert (answer.status, answer.body["message"]) == (415, "the body must be UTF-8")


def test_a_compressed_body_is_not_supported(api: Api) -> None:
    answer = api.create(new_uid(), n_create(), Content_Encoding="gzip")

    assert answer.status == 415
    assert not InboundMessage.objects.exists()


DEEP = b'{"00400270":{"vr":"SQ","Value":[' * 30 + b"{}" + b"]}}" * 30
BOMB = b'<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]><NativeDicomModel/>'


@pytest.mark.parametrize(
    ("body", "content_type", "message"),
    [
        (b" ", JSON, "the body is empty"),
        (b"[]", JSON, "the body must hold one dataset"),
        (b"[{},{}]", JSON, "the body must hold one dataset"),
        (b"7", JSON, "a dataset is a JSON object"),
        (b'{"00400252":{"vr":"CS","Value":["x"],"Value":["y"]}}', JSON,
         "the key 'Value' stands twice in one object"),
        (b'{"00400252":{"vr":"CS","Value":[NaN]}}', JSON, "NaN is not JSON"),
        (b"[" * 100_000, JSON, "nested more than 64 levels deep"),
        (DEEP, JSON, "nested more than 64 levels deep"),
        (b'{"x":' + b"9" * 5000 + b"}", JSON, "a number has thousands of digits"),
        (b'{"00400252":{"vr":"US","Value":[1e400]}}', JSON, "out of the range of US"),
        (b'{"00400252":{"vr":"XX","Value":["a"]}}', JSON, "no such value representation"),
        (b'{"00400340":{"vr":"OB","BulkDataURI":"file:///etc/hostname"}}', JSON,
         "is SQ, not OB"),
        (b'{"00091001":{"vr":"OB","BulkDataURI":"file:///etc/hostname"}}', JSON,
         "bulk data is not fetched: send the value"),
        (b'{"00100010":{"vr":"PN","Value":[{"Alphabetic":"\xff"}]}}', JSON, "not UTF-8 at byte"),
        (b'{"00080018":{"vr":"UI","Value":["1.2"]}}', JSON, "is not that of the address"),
        (b'{"00080016":{"vr":"UI","Value":["1.2"]}}', JSON, "is not that of the address"),
        (BOMB, XML, "a document type or entity is not accepted"),
        (b"<NativeDicomModel", XML, "not XML: unclosed token in line 1"),
        (b"--b1--", "multipart/related; boundary=b1", "the multipart body must hold one part"),
        (b"x", "multipart/related", "multipart without a boundary"),
    ],
)  # fmt: skip
def test_hostile_payloads_are_refused_and_kept(
    api: Api, body: bytes, content_type: str, message: str
) -> None:
    answer = api.create(new_uid(), body, content_type=content_type)

    assert (answer.status, answer.body["message"][: len(message)]) == (400, message)
    kept = InboundMessage.objects.get()
    assert bytes(kept.raw).endswith(body)
    assert (kept.state, kept.outcome) == (MessageState.REJECTED.value, "400")
    assert not PerformedProcedureStep.objects.exists()


def test_the_limits_of_dimse_hold_here_too(api: Api) -> None:
    item: dict[str, Any] = {}
    for _ in range(9):
        item = {"00400270": {"vr": "SQ", "Value": [item]}}

    answer = api.create(new_uid(), json.dumps({**STATUS, **item}).encode())

    assert (answer.status, answer.body["message"]) == (400, "sequences are nested too deep")


def test_a_body_beyond_the_limit_is_too_large(api: Api, settings: Any) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1000

    answer = api.create(new_uid(), b" " * 1001)

    assert answer.status == 413
    assert not InboundMessage.objects.exists()


@pytest.mark.parametrize(("terminated", "length", "status"), [
    (True, 1000, 201), (True, 10_000_000, 413), (False, 1000, 411),
])  # fmt: skip
def test_a_body_in_chunks_is_taken_where_its_end_is_known(
    api: Api, terminated: bool, length: int, status: int
) -> None:
    """As granian hands it over: no length, and a stream that ends."""
    body = written(n_create())
    environ = {
        "wsgi.input": BytesIO(body + b" " * length),
        "wsgi.input_terminated": terminated,
        "HTTP_TRANSFER_ENCODING": "chunked",
        "HTTP_AUTHORIZATION": f"Bearer {api.token}",
        "CONTENT_TYPE": JSON,
        "CONTENT_LENGTH": "",
        "REQUEST_METHOD": "POST",
        "PATH_INFO": f"{PERFORMED}/{new_uid()}",
    }

    assert api.client.request(**environ).status_code == status


def test_an_exam_with_thousands_of_images_is_taken(api: Api) -> None:
    uid = new_uid()
    api.create(uid, n_create())
    image = {"00081150": {"vr": "UI", "Value": ["1.2.840.10008.5.1.4.1.1.2"]}}
    images = [{**image, "00081155": {"vr": "UI", "Value": [f"2.25.{n}"]}} for n in range(5000)]
    said = n_set().to_json_dict()
    said["00400340"]["Value"][0]["00081140"]["Value"] = images

    answer = api.update(uid, json.dumps(said).encode())

    assert answer.status == 200, answer.content
    assert stored(uid).series.get().instance_count == 5000


@pytest.mark.parametrize("uid", ["x", "1.", "1..2", "1.2.x", "1." + "2" * 70, "%0A1.2"])
def test_an_address_ends_in_a_uid(api: Api, uid: str) -> None:
    for answer in (api.create(uid, n_create()), api.retrieve(uid)):
        assert (answer.status, answer.body["message"]) == (400, "the address does not end in a UID")
    assert not InboundMessage.objects.exists()


def test_a_uid_with_leading_zeros_is_kept_as_sent(api: Api) -> None:
    uid = "1.2.840.2026.03.02.07"

    created = api.create(uid, n_create())

    assert (created.status, stored(uid).sop_instance_uid) == (201, uid)


# --- retrieve


def test_a_step_is_retrieved_with_its_identity(api: Api) -> None:
    uid = new_uid()
    api.create(uid, n_create(PatientName="Müller^Jörg"))

    answer = api.retrieve(uid, "includefield=all")

    (found,) = answer.body
    assert answer.headers["Content-Type"] == "application/dicom+json; charset=utf-8"
    assert found["00080018"] == {"vr": "UI", "Value": [uid]}
    assert found["00100010"] == {"vr": "PN", "Value": [{"Alphabetic": "Müller^Jörg"}]}
    assert list(found) == sorted(found)
    audit = AuditEvent.objects.get(action="ReadPerformedStep")
    assert (audit.actor_name, audit.subject) == ("CT1", uid)


def test_only_the_named_attributes_are_retrieved(api: Api) -> None:
    """PS3.18 B.40.2."""
    uid = new_uid()
    api.create(uid, n_create())

    answer = api.retrieve(uid, "includefield=00400252,PatientName&includefield=00400242")

    assert answer.body == [
        {
            "00100010": {"vr": "PN", "Value": [{"Alphabetic": "Baker^Nora"}]},
            "00400242": {"vr": "SH", "Value": ["CT 1"]},
            "00400252": {"vr": "CS", "Value": ["IN PROGRESS"]},
        }
    ]
    assert answer.warning == ""


def test_an_attribute_of_another_class_is_a_warning(api: Api) -> None:
    uid = new_uid()
    api.create(uid, n_create())

    answer = api.retrieve(uid, "includefield=PatientComments,PatientID")

    assert answer.body == [{"00100020": {"vr": "LO", "Value": ["MRN1"]}}]
    assert answer.warning.endswith("not supported and were ignored.")


def test_one_dataset_in_xml_is_a_single_part(api: Api) -> None:
    uid = new_uid()
    api.create(uid, n_create(PatientName="O'Neil & Sons^<x>"))

    answer = api.retrieve(uid, "includefield=PatientName", Accept=XML)

    root = ElementTree.fromstring(answer.content)
    assert answer.headers["Content-Type"] == "application/dicom+xml; charset=utf-8"
    assert [one.text for one in root.iter() if one.text and one.text.strip()] == [
        "O'Neil & Sons",
        "<x>",
    ]


def test_an_unknown_step_is_not_found(api: Api) -> None:
    answer = api.retrieve(new_uid())

    assert (answer.status, answer.body["dicomStatus"]) == (404, "0112")


# --- who may


@pytest.mark.parametrize(
    ("scope", "statuses"),
    [
        ("system/mpps.*", (201, 200)),
        ("system/mpps.write", (201, 403)),
        ("system/mpps.read", (403, 404)),
        ("system/worklist.read", (403, 403)),
        ("system/*.cruds", (403, 403)),
        ("mpps.write", (403, 403)),
    ],
)
def test_each_scope_grants_its_own(api: Api, scope: str, statuses: tuple[int, int]) -> None:
    client, uid = Api(token(scope)), new_uid()

    assert (client.create(uid, n_create()).status, client.retrieve(uid).status) == statuses


def test_nothing_is_done_without_a_token(db: None) -> None:
    uid = new_uid()

    answers: list[Answer] = [Api().create(uid, n_create()), Api().retrieve(uid)]

    assert [answer.status for answer in answers] == [401, 401]
    assert not InboundMessage.objects.exists()


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH"])
def test_steps_are_neither_replaced_nor_deleted(api: Api, method: str) -> None:
    answer = api.request(method, f"{PERFORMED}/{new_uid()}", b"{}")

    assert (answer.status, answer.headers["Allow"]) == (405, "GET, HEAD, POST, OPTIONS")
