"""What the handlers serve from the database, by what a device asks and how it is registered."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydicom.dataset import Dataset
from structlog.testing import capture_logs

from ris.domain.actors import OPERATOR
from ris.domain.errors import InvalidValueError
from ris.domain.facility import RegisterRoom, RegisterSite
from ris.domain.orders import OrderDetails, ProcedureRequest
from ris.domain.patients import MergePatients, PatientReference, VisitDetails
from ris.domain.values import Code, Identifier, PersonName
from ris.models import PatientIdentifier
from ris.services import execute
from tests import make, people
from tests.worklist import requests
from tests.worklist.entries import identifier
from worklist.handlers import Handlers
from worklist.registry import Registry
from worklist.rules import View
from worklist.service import Admission, Rejection
from worklist.sop_classes import Operation

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _site() -> None:
    make.site()


def place(name: str = "Berg^Anna", station: str = "CT1", **overrides: Any) -> Any:
    step = {"start_at": NOON, "station_ae_title": station, "modality": station[:2]}
    return make.order(
        patient=make.patient(overrides.pop("number", ""), name=PersonName.parse(name)),
        procedures=(
            ProcedureRequest(
                code=overrides.pop("code", make.CT_HEAD),
                description=overrides.pop("study", ""),
                steps=(make.step_request(**step | overrides.pop("step", {})),),
            ),
        ),
        **overrides,
    )


def shown(query: Dataset, *, ae_title: str = "CT1", **options: Any) -> list[Dataset]:
    return requests.rows(requests.find(requests.handlers(), query, ae_title=ae_title, **options))


def names(query: Dataset, **options: Any) -> list[str]:
    query.PatientName = query.get("PatientName", "")
    return [str(row.PatientName) for row in shown(query, **options)]


# --- optional keys (MWL-05)


def item(**values: Any) -> Dataset:
    return identifier(**values)


@pytest.mark.parametrize(
    "query",
    [
        identifier(step={"ScheduledProcedureStepDescription": "CT head with c*"}),
        identifier(step={"ScheduledProtocolCodeSequence": [item(CodeValue="P1")]}),
        identifier(
            step={
                "ScheduledProtocolCodeSequence": [item(CodeValue="P2", CodingSchemeDesignator="LN")]
            }
        ),
        identifier(RequestedProcedureDescription="Head study"),
        identifier(RequestedProcedureCodeSequence=[item(CodeValue="H1")]),
        identifier(CurrentPatientLocation="Ward ?"),
        identifier(RequestingService="Surgery"),
        identifier(ReferringPhysicianName="ruiz*"),
        identifier(RequestingPhysician="NOVAK^PETRA"),
        identifier(AdmissionID="V1", IssuerOfAdmissionIDSequence=[
            item(LocalNamespaceEntityID="HOSP")]),
        identifier(IssuerOfAccessionNumberSequence=[item(UniversalEntityID="1.2.3")]),
        identifier(AccessionNumber="ACC1"),
        identifier(IssuerOfPatientID="CLINIC"),
    ],
)  # fmt: skip
def test_an_optional_key_finds_its_step_and_no_other(query: Dataset) -> None:
    make.device()
    place("Stone^Ada")
    execute_order = place(
        step={
            "description": "CT head with contrast",
            "protocol_codes": (Code("P1", "99SITE"), Code("P2", "http://loinc.org")),
        },
        code=Code("H1", "99SITE", "Head"),
        study="Head study",
        visit=VisitDetails(number=Identifier("V1", "HOSP"), location="Ward 4"),
        accession=Identifier("ACC1", "urn:oid:1.2.3"),
        details=OrderDetails(
            requester=PersonName.of("Novak", "Petra"),
            referring=PersonName.of("Ruiz", "Eva"),
            requesting_service="Surgery",
        ),
    )
    PatientIdentifier.objects.filter(patient=execute_order.patient).update(issuer="CLINIC")

    assert names(query) == ["Berg^Anna"]


def test_the_institution_is_that_of_the_site() -> None:
    make.device()
    place()

    assert names(identifier(InstitutionName="Test Hospital")) == ["Berg^Anna"]
    assert names(identifier(InstitutionName="Other")) == []


def test_of_the_protocol_codes_only_those_that_match_come_back() -> None:
    make.device()
    place(step={"protocol_codes": (Code("P1", "99SITE", "One"), Code("P2", "99SITE", "Two"))})
    query = identifier(
        step={"ScheduledProtocolCodeSequence": [item(CodeValue="P2", CodeMeaning="")]}
    )

    (found,) = shown(query)

    (step,) = found.ScheduledProcedureStepSequence
    assert [one.CodeMeaning for one in step.ScheduledProtocolCodeSequence] == ["Two"]
    assert "CodingSchemeDesignator" not in step.ScheduledProtocolCodeSequence[0]


# --- per device (MWL-26, 29, 32 to 35)


def test_stations_that_share_a_list_see_each_others_steps_and_are_all_named() -> None:
    make.device("CT1", settings={"shares_list_with": ["CT2"], "aliases": ["OLDCT"]})
    make.device("CT2")
    make.device("MR1", "MR")
    place("Berg^Anna", "CT1")
    place("Stone^Ada", "CT2")
    place("Olm^Eva", "MR1")
    query = identifier(PatientName="", step={"ScheduledStationAETitle": "CT2"})

    found = shown(query, ae_title="CT2")

    titles = {
        str(row.PatientName): row.ScheduledProcedureStepSequence[0].ScheduledStationAETitle
        for row in found
    }
    assert titles == {"Berg^Anna": ["CT1", "CT2", "OLDCT"], "Stone^Ada": ["CT2", "CT1", "OLDCT"]}
    assert names(identifier(step={"ScheduledStationAETitle": "MR1"})) == ["Olm^Eva"]


def test_sharing_counts_at_once_for_what_was_answered_before() -> None:
    make.device("CT1")
    make.device("CT2")
    place("Berg^Anna", "CT1")
    server = requests.handlers()
    query = identifier(step={"ScheduledStationAETitle": "CT2"})
    before = requests.rows(requests.find(server, query))

    make.device("CT2", settings={"shares_list_with": ["CT1"]})
    after = requests.rows(requests.find(server, query))

    assert (len(before), len(after)) == (0, 1)


def test_a_device_sees_what_its_view_holds() -> None:
    make.device("CT1", settings={"stations": ["CT*"], "modalities": ["CT"]})
    make.device("MR1", "MR")
    place("Berg^Anna", "CT1")
    place("Olm^Eva", "MR1")

    assert names(identifier()) == ["Berg^Anna"]
    assert names(identifier(step={"Modality": "MR"})) == []
    assert names(identifier(), ae_title="MR1") == ["Berg^Anna", "Olm^Eva"]


def test_a_device_sees_the_stations_of_its_site() -> None:
    execute(RegisterSite(name="South", institution="", time_zone="Europe/Vienna"), actor=OPERATOR)
    execute(RegisterRoom(name="Room CT2", site="South"), actor=OPERATOR)
    make.device("CT1", settings={"sites": ["Test site"]})
    make.device("CT2", room="Room CT2")
    place("Berg^Anna", "CT1")
    place("Stone^Ada", "CT2")

    assert names(identifier()) == ["Berg^Anna"]
    assert names(identifier(), ae_title="CT2") == ["Berg^Anna", "Stone^Ada"]


def test_the_called_title_chooses_a_named_worklist() -> None:
    make.device("WS1", "OT")
    place("Berg^Anna", "CT1")
    place("Olm^Eva", "MR1")
    registry = Registry("RIS", seconds=0, worklists={"MRLIST": View(modalities=("MR",))})
    server = Handlers(registry)
    asked = requests.request(Operation.C_FIND, identifier(PatientName=""), ae_title="WS1")
    caller = requests.caller("WS1", called="MRLIST")
    asked = replace(asked, association=replace(asked.association, request=caller))

    found = requests.rows(server.c_find(asked))

    assert [str(row.PatientName) for row in found] == ["Olm^Eva"]
    assert isinstance(registry.admit(caller), Admission)


def test_a_device_may_still_call_by_its_former_title() -> None:
    make.device("CT1", address="10.0.0.1", settings={"aliases": ["OLDCT"]})
    registry = Registry("RIS", seconds=0)

    ours = registry.admit(requests.caller("OLDCT", address="10.0.0.1"))
    elsewhere = registry.admit(requests.caller("OLDCT", address="10.0.0.2"))
    stranger = registry.admit(requests.caller("OLDER", address="10.0.0.1"))

    assert isinstance(ours, Admission)
    assert isinstance(elsewhere, Rejection)
    assert isinstance(stranger, Rejection)


def test_a_broad_query_sees_the_days_of_the_window() -> None:
    make.device("CT1", settings={"window_days": [1, 7]})
    today = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0)
    for days, name in ((-3, "Past^A"), (0, "Today^B"), (7, "Week^C"), (9, "Later^D")):
        place(name, step={"start_at": today + timedelta(days=days)})

    assert names(identifier()) == ["Today^B", "Week^C"]
    assert names(identifier(PatientName="*^*")) == ["Today^B", "Week^C"]
    assert names(identifier(PatientName="P*")) == ["Past^A"]


def test_a_device_may_be_shown_only_who_has_arrived() -> None:
    make.device("CT1", settings={"offers": ["ARRIVED"]})
    place("Berg^Anna")

    assert names(identifier()) == []
    assert names(identifier(step={"ScheduledProcedureStepStatus": "SCHEDULED"})) == ["Berg^Anna"]


@pytest.mark.parametrize("syntax", ["explicit", "implicit", "big"])
def test_a_device_that_reads_ascii_gets_ascii(syntax: str) -> None:
    make.device("CT1", settings={"text": "ascii"}, character_sets=("ISO_IR 100",))
    place("Yamada^Tarou=山田^太郎=やまだ^たろう", details=OrderDetails(reason="Müdigkeit – 山"))
    query = identifier(PatientName="", ReasonForTheRequestedProcedure="",
                       SpecificCharacterSet="ISO_IR 192")  # fmt: skip

    (answer,) = requests.find(requests.handlers(), query, syntax=syntax).identifiers
    (row,) = shown(query)

    assert bytes(answer).isascii()
    assert "SpecificCharacterSet" not in row
    assert row.PatientName == "Yamada^Tarou"
    assert row.ReasonForTheRequestedProcedure == "Mudigkeit - U+5C71"


def test_a_device_with_a_fixed_set_gets_no_other() -> None:
    make.device("CT1", settings={"text": "fixed"}, character_sets=("ISO_IR 100",))
    place("Łukasz^Jörg")

    (row,) = shown(identifier(PatientName="", SpecificCharacterSet="ISO_IR 192"))

    assert row.SpecificCharacterSet == "ISO_IR 100"
    assert row.PatientName == "Lukasz^Jörg"


def test_a_number_is_never_transliterated() -> None:
    make.device("CT1", settings={"text": "ascii"})
    place("Berg^Anna", number="Ä1")

    (row,) = shown(identifier(PatientID=""))

    assert (row.PatientID, row.SpecificCharacterSet) == ("Ä1", "ISO_IR 192")


def test_a_device_may_get_the_time_zone_unasked() -> None:
    make.device("CT1", settings={"send_time_zone": True})
    place()

    (row,) = shown(identifier(PatientName=""))

    assert row.TimezoneOffsetFromUTC == "+0100"
    assert "TimezoneOffsetFromUTC" not in shown(identifier(PatientName=""), ae_title="X")[0]


def test_times_of_day_are_in_the_zone_of_the_query() -> None:
    make.device()
    place("Berg^Anna")  # 12:00 UTC, 13:00 in Vienna
    step = {"ScheduledProcedureStepStartTime": "0700"}

    assert names(identifier(TimezoneOffsetFromUTC="-0500", step=step)) == ["Berg^Anna"]
    assert names(identifier(step=step)) == []
    assert names(identifier(step={"ScheduledProcedureStepStartTime": "1300"})) == ["Berg^Anna"]


@pytest.mark.parametrize(
    ("step", "people"),
    [
        ({"ScheduledProcedureStepStartDate": "20261025"}, ["First^A", "Second^B"]),
        ({"ScheduledProcedureStepStartDate": "20261025",
          "ScheduledProcedureStepStartTime": "0230"}, ["First^A", "Second^B"]),
        ({"ScheduledProcedureStepStartDate": "20261025",
          "ScheduledProcedureStepStartTime": "0200-0259"}, ["First^A", "Second^B"]),
        ({"ScheduledProcedureStepStartDate": "20260329"}, ["Third^C"]),
        # Ordered for a time that the clocks left out, which is an hour later.
        ({"ScheduledProcedureStepStartDate": "20260329",
          "ScheduledProcedureStepStartTime": "0230"}, ["Third^C"]),
        ({"ScheduledProcedureStepStartDate": "20260329",
          "ScheduledProcedureStepStartTime": "0330"}, ["Third^C"]),
    ],
)  # fmt: skip
def test_a_step_in_the_night_of_a_clock_change_is_found(
    step: dict[str, str], people: list[str]
) -> None:
    make.device()
    place("First^A", step={"start_at": datetime(2026, 10, 25, 0, 30, tzinfo=UTC)})
    place("Second^B", step={"start_at": datetime(2026, 10, 25, 1, 30, tzinfo=UTC)})
    place("Third^C", step={"start_at": datetime(2026, 3, 29, 1, 30, tzinfo=UTC)})

    assert names(identifier(step=step)) == people


def test_a_strict_device_is_told_what_it_may_not_send() -> None:
    make.device("CT1", settings={"queries": "strict"})

    answer = requests.find(
        requests.handlers(), identifier(step={"Modality": ["CT", "MR"]}), ae_title="CT1"
    )

    assert answer.final.status == 0xA900
    assert answer.final.offending_elements == (0x00080060,)
    assert list(answer.identifiers) == []


def test_a_deviation_is_logged_once_for_each_device() -> None:
    make.device("CT9")
    query = identifier(PatientName="", QueryRetrieveLevel="STUDY")

    with capture_logs() as logs:
        shown(query, ae_title="CT9")
        shown(query, ae_title="CT9")

    lines = [one for one in logs if one["event"] == "a query is not as the standard has it"]
    assert [(one["ae_title"], one["element"]) for one in lines] == [("CT9", "QueryRetrieveLevel")]


# --- values and their representation (MWL-38)


def test_an_accession_number_that_no_scanner_keeps_is_refused_at_order_entry() -> None:
    with pytest.raises(InvalidValueError):
        place(accession=Identifier("A" * 17, "RIS"))
    with pytest.raises(InvalidValueError):
        place(accession=Identifier("A\\B", "RIS"))


def test_a_separator_in_a_description_is_sent_as_something_else() -> None:
    make.device()
    place(study="Head\\neck " + "x" * 80)

    (row,) = shown(identifier(RequestedProcedureDescription=""))

    assert row.RequestedProcedureDescription == "Head/neck " + "x" * 51 + "..."
    assert names(identifier(RequestedProcedureDescription="Head/neck*")) == ["Berg^Anna"]
    as_shown = identifier(RequestedProcedureDescription=row.RequestedProcedureDescription)
    assert names(as_shown) == ["Berg^Anna"]
    cut = identifier(RequestedProcedureDescription=("Head/neck " + "x" * 80)[:64])
    assert names(cut) == []


def test_when_and_by_whom_it_was_ordered_can_be_asked_for() -> None:
    make.device()
    place(
        details=OrderDetails(
            ordered_at=NOON, callback_phone="+43 1 555", comments="urgent", entered_by="Olm^Eva"
        )
    )
    query = identifier(
        IssueDateOfImagingServiceRequest="", IssueTimeOfImagingServiceRequest="",
        OrderCallbackPhoneNumber="", ImagingServiceRequestComments="", OrderEnteredBy="",
    )  # fmt: skip

    (row,) = shown(query)

    assert row.IssueDateOfImagingServiceRequest == "20260302"
    assert row.IssueTimeOfImagingServiceRequest == "130000"
    assert row.OrderCallbackPhoneNumber == "+43 1 555"
    assert row.ImagingServiceRequestComments == "urgent"
    assert row.OrderEnteredBy == "Olm^Eva"


# --- the study once begun (SPS-06)


def test_a_study_that_began_has_its_date_and_time_in_later_answers() -> None:
    make.device()
    order = make.order(
        procedures=(
            ProcedureRequest(
                code=make.CT_HEAD,
                steps=tuple(
                    make.step_request(start_at=NOON + timedelta(hours=hour), station_ae_title="CT1")
                    for hour in (0, 1)
                ),
            ),
        )
    )
    server = requests.handlers()
    query = identifier(StudyDate="", StudyTime="", PatientName="")
    before = requests.rows(requests.find(server, query))

    execute(make.start(order, started_at=NOON + timedelta(minutes=7)), actor=people.ct1)
    (after,) = requests.rows(requests.find(server, query))

    assert [("StudyDate" in row, "StudyTime" in row) for row in before] == [(False, False)] * 2
    assert (after.StudyDate, after.StudyTime) == ("20260302", "130700")


# --- merged patients (CHG-02)


def test_after_a_merge_the_old_number_finds_the_survivors_steps_and_is_shown() -> None:
    make.device()
    place("Berg^Anna", number="OLD1")
    place("Berg^Anna Maria", number="NEW1")
    execute(
        MergePatients(
            survivor=PatientReference(identifiers=(Identifier("NEW1", "HOSP", "MR"),)),
            subsumed=PatientReference(identifiers=(Identifier("OLD1", "HOSP", "MR"),)),
        ),
        actor=people.ehr,
    )

    found = shown(identifier(PatientID="OLD1", PatientName="", OtherPatientIDsSequence=[]))

    assert [row.PatientID for row in found] == ["NEW1", "NEW1"]
    assert [one.PatientID for one in found[0].OtherPatientIDsSequence] == ["OLD1"]
    assert found[0].OtherPatientIDsSequence[0].IssuerOfPatientID == "HOSP"
