"""The Search Transaction (PS3.18 14.4) without a socket; tests/wire compares it with DIMSE."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydicom.datadict import dictionary_is_retired

from ris.domain.values import PersonName
from ris.models import AuditEvent, WorklistQueryLog
from tests import make
from tests.worklist.web.api import SCHEDULED, Api, token
from worklist.attributes import ESSENTIAL, SPS, WORKLIST
from worklist.web import views
from worklist.web.parameters import FUZZY_WARNING, MULTIPLE_WARNING, pairs_of, search_parameters
from worklist.web.refusal import HttpError

pytestmark = pytest.mark.database
NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def identifier(query: str) -> dict[str, Any]:
    """The keys of a search that asks for nothing besides them."""
    return search_parameters(pairs_of(f"{query}&includefield=PatientID")).identifier


# --- parameters


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("PatientName=Doe*", {"00100010": {"vr": "PN", "Value": [{"Alphabetic": "Doe*"}]}}),
        ("00100010=Doe*", {"00100010": {"vr": "PN", "Value": [{"Alphabetic": "Doe*"}]}}),
        ("PatientName=A%3DB", {"00100010": {"vr": "PN", "Value": [
            {"Alphabetic": "A", "Ideographic": "B"}]}}),
        ("PatientName=", {"00100010": {"vr": "PN"}}),
        ("AccessionNumber=A,B", {"00080050": {"vr": "SH", "Value": ["A,B"]}}),
        ("StudyInstanceUID=1.2,1.3", {"0020000D": {"vr": "UI", "Value": ["1.2", "1.3"]}}),
        ("StudyInstanceUID=1.2%5C1.3", {"0020000D": {"vr": "UI", "Value": ["1.2", "1.3"]}}),
        ("StudyInstanceUID=1.2&0020000D=1.3", {"0020000D": {"vr": "UI", "Value": ["1.2", "1.3"]}}),
        ("PregnancyStatus=2", {"001021C0": {"vr": "US", "Value": [2]}}),
        ("00400100.00080060=CT&00400100.Modality=MR",
         {"00400100": {"vr": "SQ", "Value": [{"00080060": {"vr": "CS", "Value": ["CT", "MR"]}}]}}),
        ("ScheduledProcedureStepSequence.ScheduledProtocolCodeSequence.CodeValue=X",
         {"00400100": {"vr": "SQ", "Value": [{"00400008": {"vr": "SQ", "Value": [
             {"00080100": {"vr": "SH", "Value": ["X"]}}]}}]}}),
        ("PatientComments=a%5Cb", {"00104000": {"vr": "LT", "Value": ["a\\b"]}}),
    ],
)  # fmt: skip
def test_a_parameter_becomes_a_key(query: str, expected: dict[str, Any]) -> None:
    found = identifier(query)

    assert found.pop("00100020") == {"vr": "LO"}
    assert found == expected


@pytest.mark.parametrize(
    ("query", "message", "path"),
    [
        ("limit=x", "limit is one whole number", ""),
        ("limit=-1", "limit is one whole number", ""),
        ("limit=1&limit=2", "limit is one whole number", ""),
        ("offset=99999999999", "offset is one whole number", ""),
        ("fuzzymatching=perhaps", "fuzzymatching is true or false", ""),
        ("includefield=Nonsense", "includefield names something that is no attribute", ""),
        ("includefield=PatientName.PatientID",
         "includefield names something that is no attribute", ""),
        ("PregnancyStatus=yes", "is not a whole number", "(0010,21C0)"),
        ("ScheduledProcedureStepSequence=x",
         "a sequence is matched by its attributes", "(0040,0100)"),
        ("Modality=%C3%84", "holds letters that are not ASCII", "(0008,0060)"),
        ("PatientName=a%3Db%3Dc%3Dd", "a name has three component groups", "(0010,0010)"),
        ("PatientName=%FF", "the query is not UTF-8", ""),
        ("&".join(["PatientID=1"] * 501), "more than 500 parameters", ""),
        ("PatientID=" + "1" * 16_400, "the query is too long", ""),
    ],
)  # fmt: skip
def test_a_value_that_makes_no_sense_is_refused(query: str, message: str, path: str) -> None:
    with pytest.raises(HttpError) as caught:
        search_parameters(pairs_of(query))

    assert (caught.value.status, caught.value.message, caught.value.path) == (400, message, path)


@pytest.mark.parametrize(
    ("query", "warning"),
    [
        ("PatientsName=x", "The parameter PatientsName is not known and was ignored."),
        (
            "PatientName.PatientID=x",
            "The parameter PatientName.PatientID is not known and was ignored.",
        ),
        ("00090010=x", "The parameter 00090010 is not known and was ignored."),
        ("00000900=x", "The parameter 00000900 is not known and was ignored."),
        ("%0D%0ASet-Cookie=x", "The parameter is not known and was ignored."),
        ("fuzzymatching=true", FUZZY_WARNING),
        ("multiplevaluematching=true&emptyvaluematching=false", MULTIPLE_WARNING),
    ],
)
def test_what_is_not_supported_is_ignored_and_named(query: str, warning: str) -> None:
    assert search_parameters(pairs_of(query)).warnings == (warning,)


def test_who_names_no_field_gets_what_every_answer_must_have() -> None:
    found = search_parameters([]).identifier

    step = found["00400100"]["Value"][0]
    required = {row for row in WORKLIST if row.is_held and row.return_type != "3"}
    assert {f"{row.tag:08X}" for row in required if not row.within} == found.keys()
    assert {f"{row.tag:08X}" for row in required if row.within == SPS} == step.keys()
    assert {row.keyword for row in ESSENTIAL} <= {row.keyword for row in required}


def test_all_fields_are_all_of_them_beside_a_key_too() -> None:
    found = search_parameters(pairs_of("includefield=all&00400100.00080060=CT")).identifier

    held = [row for row in WORKLIST if row.is_held and not dictionary_is_retired(row.tag)]
    step = found["00400100"]["Value"][0]
    assert {f"{row.tag:08X}" for row in held if not row.within} == found.keys()
    assert {f"{row.tag:08X}" for row in held if row.within == SPS} == step.keys()
    assert step["00080060"] == {"vr": "CS", "Value": ["CT"]}


def test_a_retired_attribute_comes_if_it_is_named() -> None:
    assert "00101000" not in search_parameters(pairs_of("includefield=all")).identifier
    assert "00101000" in search_parameters(pairs_of("includefield=OtherPatientIDs")).identifier


# --- answers


@pytest.fixture
def names(api: Api) -> list[str]:
    """Three patients, in the order of their steps."""
    found = ["Adler", "Baker", "Çelik"]
    for number, name in enumerate(found):
        make.booked(
            NOON + timedelta(hours=number),
            patient=make.patient(f"P{number}", name=PersonName.of(name, "Ida")),
        )
    return found


def shown(answer: Any) -> list[str]:
    return [one.PatientName.family_name for one in answer.datasets]


def test_the_example_of_the_standard_is_answered(api: Api, names: list[str]) -> None:
    """PS3.18 B.36, with our station."""
    answer = api.request(
        "GET",
        f"{SCHEDULED}/?00400100.00400010=CT+1&00400100.00400002=20260302&00400100.00080060=CT"
        "&limit=20&offset=0&includefield=all",
    )

    assert answer.status == 200
    assert answer.headers["Content-Type"] == "application/dicom+json; charset=utf-8"
    assert shown(answer) == names
    assert list(answer.body[0]) == sorted(answer.body[0])
    assert answer.body[0]["00400100"]["Value"][0]["00400010"] == {"vr": "SH", "Value": ["CT 1"]}
    assert answer.warning == ""


def test_empty_values_are_there_without_a_value(api: Api, names: list[str]) -> None:
    answer = api.search("PatientID=P0&includefield=PatientWeight,PatientSize,PatientState")

    (found,) = answer.body
    assert found["00101030"] == {"vr": "DS"}
    assert found["00380500"] == {"vr": "LO"}
    assert "00101020" not in found  # type 3


def test_pages_in_a_stable_order_are_everything(api: Api, names: list[str]) -> None:
    pages = [api.search(f"includefield=PatientName&limit=1&offset={n}") for n in range(4)]

    assert [shown(page) for page in pages] == [["Adler"], ["Baker"], ["Çelik"], []]
    assert [page.status for page in pages] == [200, 200, 200, 204]
    assert [page.warning.partition("dicom-web: ")[2] for page in pages] == [
        "There are 2 additional results that can be requested",
        "There are 1 additional results that can be requested",
        "",
        "",
    ]


def test_no_match_has_no_content(api: Api) -> None:
    answer = api.search("PatientID=nobody")

    assert (answer.status, answer.content) == (204, b"")
    assert "Content-Type" not in answer.headers


def test_a_limit_of_zero_gets_nothing(api: Api, names: list[str]) -> None:
    assert api.search("limit=0").status == 204


def test_beyond_what_a_query_may_find_is_too_large(
    api: Api, names: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(views.handlers(), "matches", 2)

    last, beyond = api.search("offset=1"), api.search("offset=2")

    assert last.status == 200
    assert last.warning.endswith("A700 There are more than 2 matches; ask for less.")
    assert (beyond.status, beyond.body["message"], beyond.body["dicomStatus"]) == (
        413,
        "a query finds at most 2 steps: ask for less",
        "A700",
    )


def test_beyond_the_last_match_is_nothing(api: Api, names: list[str]) -> None:
    assert api.search("offset=100000").status == 204


def test_unsupported_attributes_are_a_warning(api: Api, names: list[str]) -> None:
    answer = api.search("PatientID=P0&includefield=Manufacturer&fuzzymatching=true")

    assert shown(api.search("PatientID=P0&includefield=PatientName")) == ["Adler"]
    assert answer.status == 200
    assert answer.warning == (
        "299 http://testserver/dicom-web: The fuzzymatching parameter is not supported. Only "
        "literal matching has been performed., 299 http://testserver/dicom-web: Some of the "
        "requested attributes are not supported and were ignored."
    )


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("application/json", "application/json"),
        ('multipart/related; type="application/dicom+json"',
         'multipart/related; type="application/dicom+json"; boundary='),
        ("application/dicom+xml", 'multipart/related; type="application/dicom+xml"; boundary='),
    ],
)  # fmt: skip
def test_the_form_is_negotiated(api: Api, names: list[str], accept: str, content_type: str) -> None:
    answer = api.search("includefield=PatientName", Accept=accept)

    assert answer.headers["Content-Type"].startswith(content_type)


def test_each_part_in_json_is_an_array_of_one(api: Api, names: list[str]) -> None:
    wanted = "multipart/related;type=%22application/dicom%2Bjson%22"
    answer = api.search(f"includefield=PatientName&accept={wanted}")

    boundary = answer.headers["Content-Type"].partition("boundary=")[2].encode()
    parts = [one.partition(b"\r\n\r\n")[2] for one in answer.content.split(b"--" + boundary)[1:-1]]
    assert [len(json.loads(part)) for part in parts] == [1, 1, 1]


def test_the_parameter_beats_the_header(api: Api, names: list[str]) -> None:
    answer = api.search("accept=application/dicom+json", Accept="application/dicom+xml")

    assert answer.headers["Content-Type"] == "application/dicom+json; charset=utf-8"


def test_another_form_or_character_set_is_refused(api: Api) -> None:
    assert api.search(Accept="text/html").status == 406
    assert api.search("charset=ISO_IR%20100").status == 400
    assert api.search(Accept_Charset="iso-8859-1").status == 400


def test_a_key_that_no_identifier_could_hold_is_refused_and_on_record(api: Api) -> None:
    answer = api.search("PatientName=A%1BB")

    assert answer.status == 400
    assert answer.body == {
        "status": 400,
        "message": "a value holds a control character",
        "dicomStatus": "A900",
        "attributes": ["(0010,0010)"],
    }
    assert (WorklistQueryLog.objects.get().status, WorklistQueryLog.objects.get().matches) == (
        0xA900,
        0,
    )


def test_a_head_request_has_no_body(api: Api, names: list[str]) -> None:
    answer = api.request("HEAD", SCHEDULED)

    assert (answer.status, answer.content) == (200, b"")


def test_other_methods_are_not_allowed(api: Api) -> None:
    answer = api.request("POST", SCHEDULED, b"{}")

    assert (answer.status, answer.headers["Allow"]) == (405, "GET, HEAD, OPTIONS")


# --- who asks


def test_a_query_without_a_token_is_refused(db: None) -> None:
    answer = Api().search()

    assert answer.status == 401
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="DICOMweb"'
    assert answer.body == {"status": 401, "message": "a bearer token is required"}


def test_a_wrong_token_says_so(db: None) -> None:
    answer = Api("wrong").search()

    assert answer.status == 401
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="DICOMweb", error="invalid_token"'


@pytest.mark.parametrize(
    "scopes", [("system/*.cruds",), ("system/mpps.*",), ("system/worklist.write",)]
)
def test_a_token_needs_the_scope(api: Api, scopes: tuple[str, ...]) -> None:
    answer = Api(token(*scopes)).search()

    assert answer.status == 403
    assert answer.body["message"] == "the token lacks the scope system/worklist.read"
    audit = AuditEvent.objects.get(outcome="denied")
    assert (audit.action, audit.actor_name) == ("DICOMweb worklist.read", "CT1")
    assert not WorklistQueryLog.objects.exists()


def test_a_token_is_bound_to_its_addresses(api: Api) -> None:
    answer = Api(token(addresses=("10.1.0.0/16",))).search()

    assert (answer.status, answer.body["message"]) == (
        403,
        "this token is not valid from this address",
    )


def test_the_token_of_an_inactive_device_is_refused(api: Api) -> None:
    make.device("CT9", "CT", active=False)

    answer = Api(token(client="CT9")).search()

    assert (answer.status, answer.body["message"]) == (
        403,
        "the device of this token is not active",
    )


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"tls": "required"}, "the device of this token must use TLS"),
        ({"services": ["mpps"]}, "the device of this token is not offered this service"),
    ],
)
def test_the_rules_of_the_device_hold(api: Api, settings: dict[str, Any], reason: str) -> None:
    make.device("CT9", "CT", settings=settings)

    answer = Api(token(client="CT9")).search()

    assert (answer.status, answer.body["message"]) == (403, reason)


def test_a_device_asks_no_more_often_than_it_may(api: Api) -> None:
    make.device("CT9", "CT", settings={"queries_per_minute": 2})
    device = Api(token(client="CT9"))

    answers = [device.search() for _ in range(3)]

    assert [answer.status for answer in answers] == [204, 204, 429]
    assert answers[2].headers["Retry-After"] == "60"
    assert api.search().status == 204


def test_a_client_named_like_a_device_has_its_view(api: Api, names: list[str]) -> None:
    make.device("CT2", "CT", settings={"stations": ["CT2"]})

    device = Api(token(client="CT2")).search("includefield=PatientName")
    other = Api(token(client="Dashboard")).search("includefield=PatientName")

    assert device.status == 204
    assert shown(other) == names
    assert [one.calling_ae_title for one in WorklistQueryLog.objects.order_by("id")] == [
        "CT2",
        "Dashboard",
    ]


def test_a_query_without_a_day_has_the_window_of_the_site(api: Api, names: list[str]) -> None:
    views.handlers.cache_clear()

    assert api.search("includefield=PatientName").status == 204
    assert shown(api.search("PatientID=P0&includefield=PatientName")) == ["Adler"]


def test_what_is_asked_stands_in_no_log(
    api: Api, names: list[str], caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    api.search("PatientName=Adler*")
    api.search("PatientName=Adler%5E&limit=x")
    api.search("PatientBirthDate=Adler")

    assert "Adler" not in caplog.text + capfd.readouterr().err
