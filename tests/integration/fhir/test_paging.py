"""Pages, their order and their totals."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from integration.fhir import query
from ris.domain.patients import VisitDetails
from ris.domain.scheduling import RecordArrival
from ris.domain.values import Code, Identifier, PartialDate
from ris.models import FhirIndex, Order
from ris.services import execute
from tests import make, people
from tests.integration.fhir import resources
from tests.integration.fhir.api import BASE, Api
from tests.integration.fhir.invariants_of_resources import observation

pytestmark = [pytest.mark.django_db, pytest.mark.database]


def walk(api: Api, address: str) -> list[list[str]]:
    """The ids of each page, following next."""
    pages = []
    following: str | None = address
    while following:
        answer = api.get(following)
        assert answer.status == 200, answer.body
        pages.append(answer.ids)
        following = answer.link("next")
        assert len(pages) < 20
    return pages


def flat(pages: list[list[str]]) -> list[str]:
    return [public_id for page in pages for public_id in page]


@pytest.fixture
def patients(api: Api) -> list[str]:
    """Ids in the order of creation; family names in another order, two of them the same."""
    families = ["Eng", "Alm", "Dahl", "Borg", "Alm"]
    return [
        api.post("/Patient", resources.patient(name=[{"family": family}])).body["id"]
        for family in families
    ]


def test_pages_follow_each_other_without_gap(api: Api, patients: list[str]) -> None:
    assert walk(api, "/Patient?_count=2") == [patients[:2], patients[2:4], patients[4:]]


def test_a_page_that_is_just_full_is_the_last(api: Api, patients: list[str]) -> None:
    assert walk(api, "/Patient?_count=5") == [patients]


def test_what_comes_in_meanwhile_moves_no_page(api: Api, patients: list[str]) -> None:
    first = api.get("/Patient?_count=2&_sort=family")
    api.post("/Patient", resources.patient(name=[{"family": "Aab"}]))

    second = api.get(first.link("next") or "")

    _, alm, dahl, borg, other = patients
    assert first.ids == [alm, other]
    assert second.ids == [borg, dahl]


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        ("family", [1, 4, 3, 2, 0]),
        ("-family", [0, 2, 3, 1, 4]),
        ("-family,-_id", [0, 2, 3, 4, 1]),
        ("_id", [0, 1, 2, 3, 4]),
        ("-_id", [4, 3, 2, 1, 0]),
        ("_lastUpdated", [0, 1, 2, 3, 4]),
        ("-_lastUpdated", [4, 3, 2, 1, 0]),
    ],
)
def test_pages_are_sorted(api: Api, patients: list[str], sort: str, expected: list[int]) -> None:
    whole = api.get(f"/Patient?_sort={sort}").ids
    pages = walk(api, f"/Patient?_sort={sort}&_count=2")

    assert whole == [patients[index] for index in expected]
    assert flat(pages) == whole


def test_a_page_says_what_was_asked_and_where_it_goes_on(api: Api, patients: list[str]) -> None:
    answer = api.get("/Patient?_count=2&_sort=family&_format=json")

    assert answer.link("self") == f"{BASE}/Patient?_count=2&_sort=family"
    assert answer.link("first") == f"{BASE}/Patient?_count=2&_sort=family"
    following = answer.link("next") or ""
    assert following.startswith(f"{BASE}/Patient?_count=2&_sort=family&_cursor=")
    second = api.get(following)
    assert second.link("self") == following
    assert second.link("first") == f"{BASE}/Patient?_count=2&_sort=family"


def test_a_page_is_never_longer_than_the_limit(api: Api, patients: list[str], monkeypatch) -> None:
    monkeypatch.setattr(query, "MAX_COUNT", 3)

    assert len(api.get("/Patient?_count=1000").ids) == 3


def test_a_cursor_belongs_to_its_search(api: Api, patients: list[str]) -> None:
    following = api.get("/Patient?_count=2").link("next") or ""

    answer = api.get(f"{following}&_sort=family")

    assert (answer.status, answer.issue["diagnostics"]) == (400, "_cursor: is of another search")


def test_what_fits_on_one_page_says_how_many(api: Api, patients: list[str]) -> None:
    assert api.get("/Patient").body["total"] == 5
    assert api.get("/Patient?family=nobody").body["total"] == 0
    assert "total" not in api.get("/Patient?_total=none").body


def test_nobody_counts_what_does_not_fit_unless_asked(api: Api, patients: list[str]) -> None:
    first = api.get("/Patient?_count=2")
    assert "total" not in first.body
    last = api.get(api.get(first.link("next") or "").link("next") or "")
    assert (len(last.ids), "total" in last.body) == (1, False)
    assert api.get("/Patient?_total=accurate&_count=2").body["total"] == 5


@pytest.mark.parametrize("wish", ["_summary=count", "_count=0"])
def test_a_client_may_want_the_count_alone(api: Api, patients: list[str], wish: str) -> None:
    answer = api.get(f"/Patient?family=alm&{wish}")

    assert (answer.body["total"], answer.resources) == (2, [])


def test_requests_of_orders_and_of_procedures_are_paged_together(api: Api) -> None:
    codes = (Code("A", "TEST", "Exam A"), Code("B", "TEST", "Exam B"))
    for number in range(4):
        if number % 2:
            make.order()
        else:
            make.order(procedures=tuple(make.ProcedureRequest(code=code) for code in codes))

    whole = api.get("/ServiceRequest?_sort=-_lastUpdated").ids

    assert len(whole) == 8
    assert flat(walk(api, "/ServiceRequest?_count=3&_sort=-_lastUpdated")) == whole
    assert sorted(flat(walk(api, "/ServiceRequest?_count=1"))) == sorted(whole)
    assert api.get("/ServiceRequest?_summary=count").body["total"] == 8


@pytest.mark.parametrize(
    ("kind", "sort"),
    [
        ("Task", "authored-on"),
        ("Task", "-modified"),
        ("Task", "period"),
        ("Task", "-period"),
        ("Appointment", "-date"),
        ("Appointment", "_lastUpdated"),
        ("Procedure", "date"),
        ("ImagingStudy", "-started"),
        ("ImagingStudy", "_lastUpdated"),
        ("DiagnosticReport", "-issued"),
        ("DiagnosticReport", "-date"),
        ("ServiceRequest", "authored"),
        ("ServiceRequest", "occurrence"),
    ],
)
def test_every_sort_key_pages(api: Api, kind: str, sort: str) -> None:
    make.device()
    for number in range(3):
        make.final_report(make.performed(start_at=make.NOON + timedelta(hours=number)))

    whole = api.get(f"/{kind}?_sort={sort}").ids

    assert len(whole) == 3
    assert flat(walk(api, f"/{kind}?_sort={sort}&_count=1")) == whole


def test_appointments_come_in_the_order_of_their_times(api: Api) -> None:
    make.device()
    times = [make.NOON + timedelta(hours=hours) for hours in (2, 0, 1)]
    for start_at in times:
        make.booked(start_at=start_at)

    shown = [each["start"] for each in api.get("/Appointment?_sort=date").resources]

    assert shown == ["2026-03-02T12:00:00Z", "2026-03-02T13:00:00Z", "2026-03-02T14:00:00Z"]


def test_reports_come_in_the_order_of_their_exams(api: Api) -> None:
    make.device()
    for hours in (2, 0, 1):
        make.final_report(make.performed(start_at=make.NOON + timedelta(hours=hours)))
    arrived = make.appointment_of(make.booked(start_at=make.NOON + timedelta(hours=5)))
    execute(
        RecordArrival(appointment=str(arrived.public_id), unchecked_reason="known here"),
        actor=people.frontdesk,
    )

    latest_first = api.get("/DiagnosticReport?_sort=-date").resources

    assert [each["status"] for each in latest_first] == ["final", "final", "final", "registered"]
    shown = [each["effectiveDateTime"] for each in latest_first[:3]]
    assert shown == sorted(shown, reverse=True)
    assert flat(walk(api, "/DiagnosticReport?_sort=-date&_count=1")) == [
        each["id"] for each in latest_first
    ]


def test_steps_come_in_the_order_they_were_performed_and_others_last(api: Api) -> None:
    make.device()
    waiting = make.booked(start_at=make.NOON + timedelta(hours=5))
    for hours in (2, 0, 1):
        make.performed(start_at=make.NOON + timedelta(hours=hours))

    first_done_first = api.get("/Task?_sort=period").resources

    begun = [each.get("executionPeriod", {}).get("start") for each in first_done_first]
    assert begun[-1] is None
    assert begun[:3] == sorted(begun[:3])
    assert first_done_first[-1]["focus"]["reference"] == f"ServiceRequest/{waiting.public_id}"


def test_visits_come_in_the_order_they_began_whoever_told_of_them(api: Api) -> None:
    for number, began in (("V3", 3), ("V1", 1), ("V9", None)):
        at = None if began is None else make.NOON + timedelta(days=began)
        make.order(visit=VisitDetails(number=Identifier(number, "HOSP"), started_at=at))
    patient = api.get("/Patient").ids[0]
    sent = resources.encounter("V2", patient, period={"start": "2026-03-04T12:00:00Z"})
    assert api.post("/Encounter", sent).status == 201

    def numbers(sort: str) -> list[str]:
        found = api.get(f"/Encounter?_sort={sort}").resources
        return [each["identifier"][0]["value"] for each in found]

    assert numbers("date") == ["V1", "V2", "V3", "V9"]
    assert numbers("-date") == ["V3", "V2", "V1", "V9"]
    assert len(flat(walk(api, "/Encounter?_sort=-date&_count=1"))) == 4


def test_patients_come_in_the_order_of_their_deaths(api: Api) -> None:
    alive = api.post("/Patient", resources.patient("1")).body["id"]
    later, earlier = (
        api.post("/Patient", resources.patient(number, deceasedDateTime=at)).body["id"]
        for number, at in (("2", "2026-02"), ("3", "2025-12-24"))
    )

    assert api.get("/Patient?_sort=death-date").ids == [earlier, later, alive]
    assert api.get("/Patient?_sort=-death-date").ids == [later, earlier, alive]


def test_requests_come_in_the_order_of_their_plans_and_unplanned_ones_last(api: Api) -> None:
    make.device()
    unplanned = make.order()
    for hours in (2, 0, 1):
        make.booked(start_at=make.NOON + timedelta(hours=hours))

    soonest_first = api.get("/ServiceRequest?_sort=occurrence").resources

    assert [each.get("occurrenceDateTime") for each in soonest_first] == [
        "2026-03-02T12:00:00Z",
        "2026-03-02T13:00:00Z",
        "2026-03-02T14:00:00Z",
        None,
    ]
    assert soonest_first[-1]["id"] == str(unplanned.public_id)


# --- cost


def queries(api: Api, address: str) -> int:
    with CaptureQueriesContext(connection) as captured:
        answer = api.get(address)
    assert answer.status == 200
    return len(captured)


@pytest.mark.parametrize(
    ("kind", "limit"),
    [
        ("Patient", 8),
        ("ServiceRequest", 12),
        ("Task", 12),
        ("Appointment", 16),
        ("Procedure", 15),  # one more for the other orders of a group
        ("ImagingStudy", 14),
        ("DiagnosticReport", 17),  # its document was made with the list before
        ("Encounter", 7),  # clients write it: what they sent is looked up
        ("Device", 5),
    ],
)
def test_a_read_costs_a_known_number_of_queries(
    api: Api, kind: str, limit: int, exam: Order
) -> None:
    public_id = api.get(f"/{kind}").ids[0]

    assert queries(api, f"/{kind}/{public_id}") <= limit


@pytest.mark.parametrize(
    "address",
    [
        "/ServiceRequest",
        "/ServiceRequest?_include=*&_revinclude=Task:based-on",
        "/Task?_include=Task:patient",
        "/Appointment?_include=Appointment:actor&_include=Appointment:based-on",
        "/Procedure",
        "/ImagingStudy",
        "/DiagnosticReport?_include=*",
        "/Patient?_revinclude=ServiceRequest:patient",
    ],
)
def test_a_longer_page_costs_no_more_queries(api: Api, address: str) -> None:
    make.site()
    make.device()
    make.final_report(make.performed())
    api.get(address)  # makes the documents of reports, which is done once
    short = queries(api, address)
    for number in range(1, 4):
        make.final_report(make.performed(start_at=make.NOON + timedelta(hours=number)))
    api.get(address)

    # The audit looks the patient up where one alone is shown.
    assert queries(api, address) <= short


@pytest.mark.parametrize(
    ("kind", "by"),
    [
        ("Task", "period"),
        ("Procedure", "date"),
        ("DiagnosticReport", "date"),
        ("DiagnosticReport", "issued"),
        ("ServiceRequest", "occurrence"),
        ("Patient", "birthdate"),
        ("Observation", "date"),
        ("Observation", "value-string"),
    ],
)
def test_what_has_no_value_comes_last_upward_and_downward(api: Api, kind: str, by: str) -> None:
    make.device()
    arrived = make.booked(start_at=make.NOON + timedelta(hours=5))
    execute(
        RecordArrival(
            appointment=str(make.appointment_of(arrived).public_id), unchecked_reason="known here"
        ),
        actor=people.frontdesk,
    )
    for hours, born in ((2, "1950-01"), (0, "2001"), (1, "1970-12-31")):
        order = make.performed(
            start_at=make.NOON + timedelta(hours=hours),
            patient=make.patient(birth_date=PartialDate(born)),
        )
        make.final_report(order)
        told = {"effectiveDateTime": f"2026-03-0{hours + 1}", "valueString": f"Ärger {hours}"}
        assert api.post("/Observation", observation(**told)).status == 201
    make.order(patient=make.patient(birth_date=PartialDate("")))
    assert api.post("/Observation", observation()).status == 201

    upward = api.get(f"/{kind}?_sort={by}").ids
    downward = api.get(f"/{kind}?_sort=-{by}").ids

    without = api.get(f"/{kind}?{by}:missing=true").ids
    assert without
    assert upward[-len(without) :] == without
    assert downward[-len(without) :] == without
    assert sorted(downward) == sorted(upward)
    for sort, whole in ((by, upward), (f"-{by}", downward)):
        pages = walk(api, f"/{kind}?_sort={sort}&_count=2")
        assert flat(pages) == whole
        assert back(api, f"/{kind}?_sort={sort}&_count=2") == whole


@pytest.mark.parametrize("sort", ["name", "-name"])
def test_names_are_paged_in_one_order_whatever_the_database_sorts_by(api: Api, sort: str) -> None:
    if connection.vendor == "postgresql":  # as in a database that was made in en_US.utf8
        with connection.cursor() as cursor:
            cursor.execute(
                f'ALTER TABLE {FhirIndex._meta.db_table} ALTER "text" '
                'TYPE varchar(255) COLLATE "en-x-icu"'
            )
    make.site()
    for name in ("de Vries", "Devries", "Zeta", "a-b", "ab", "a c", "_x", "zebra", "-q"):
        body = {"resourceType": "Organization", "name": name}
        assert api.post("/Organization", body).status == 201

    whole = api.get(f"/Organization?_sort={sort}")

    names = [each["name"] for each in whole.resources]
    assert names == sorted(names, key=str.lower, reverse=sort == "-name")
    for size in (1, 2, 3):
        address = f"/Organization?_sort={sort}&_count={size}"
        assert flat(walk(api, address)) == whole.ids
        assert back(api, address) == whole.ids


def back(api: Api, address: str) -> list[str]:
    """The ids from the last page to the first, following previous."""
    answer = api.get(address)
    while following := answer.link("next"):
        answer = api.get(following)
    found = answer.ids
    while preceding := answer.link("previous"):
        answer = api.get(preceding)
        found = [*answer.ids, *found]
    return found
