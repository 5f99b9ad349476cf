"""The whole path of a query against an oracle written from the standard (tests/worklist/oracle.py).

Real identifiers through the real handler on the database: what is matched, what comes back, in
which order and with which status. ``RIS_TEST_ORACLE=5000`` asks for more examples.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from itertools import combinations_with_replacement, product
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, event, example, given, settings
from hypothesis import strategies as st
from pydicom.config import IGNORE
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset

from ris.domain.orders import OrderDetails, Priority, ProcedureRequest
from ris.domain.patients import MergePatients, PatientReference, Sex, VisitDetails
from ris.domain.values import Code, Identifier, PartialDate, PersonName
from ris.models import ScheduledProcedureStep
from ris.services import execute
from tests import make, people
from tests.worklist import oracle, requests
from tests.worklist.oracle import ISSUER_KEYS, PROTOCOL, ROOT_KEYS, SEQUENCE_KEYS, SPS, STEP_KEYS

pytestmark = [pytest.mark.django_db, pytest.mark.database]

EXAMPLES = int(os.environ.get("RIS_TEST_ORACLE", "150"))
VIENNA = ZoneInfo("Europe/Vienna")
PEOPLE = [
    # name, birth date, sex, patient id, issuer
    ("Müller^Jörg", "1960-01-01", Sex.MALE, "ab1", "HOSP"),
    ("Muller^Jorg^Q", "1999-12-31", Sex.MALE, "AB1", "HOSP"),
    ("Doe^John", "1970-05-03", Sex.OTHER, "a%1", "HOSP"),
    ("Doe", "1960", Sex.UNKNOWN, "a_1", "HOSP"),
    ("Yamada^Tarou=山田^太郎=やまだ^たろう", "1982-02-28", Sex.MALE, "[x]", "CLINIC"),
    ("山田^花子", "1982-02-28", Sex.FEMALE, "a(1)", "CLINIC"),
    ("Αλεξίου^Νίκος", "", Sex.FEMALE, "a.1", "1.2.276.0.99"),
    ("Łukasiewicz^Ewa", "2020-02-29", Sex.FEMALE, "9" * 20, "HOSP"),
    ("D_e^J%n", "1970-05-03", Sex.FEMALE, "a^1$", "HOSP"),
    ("O'Brien-Smith^Mary Ann^^Dr", "1951-07-09", Sex.FEMALE, "a+1", "HOSP"),
    ("Hong^Gildong=洪^吉洞=홍^길동", "1990-10-10", Sex.MALE, "K-1", "HOSP"),
    ("van der Berg^Anna", "1970-05-03", Sex.FEMALE, "ab1", "CLINIC"),
]
STEPS = [
    # local start, station, modality, physician, description, protocol codes
    ((2026, 7, 5, 9, 0), "CT1", "CT", "Osei^Ama", "CT head", [Code("P1", "99SITE", "Routine")]),
    ((2026, 7, 5, 23, 59, 59), "CT1", "CT", "Ösei^Ama", "", [Code("P1", "99SITE", "Routine"),
                                                      Code("P2", "http://loinc.org", "Late")]),
    ((2026, 7, 6, 0, 0), "CT2", "CT", "", "100% [dose]", []),
    ((2026, 7, 6, 8, 0), "MR1", "MR", "Lind^Eva", "MR knee*", [Code("P2", "http://loinc.org", "")]),
    ((2026, 7, 6, 8, 0, 1), "MR1", "MR", "", "Knee?", [Code("P3", "", "No scheme")]),
    ((2026, 7, 6, 18, 30), "CT_1", "CT", "Osei^Ama", "under_score", []),
    ((2026, 7, 7, 9, 15), "CT1", "CT", "Łukasz^Jan", "CT head", []),
    ((2026, 3, 29, 3, 30), "CT1", "CT", "", "after the hour left out", []),
    ((2026, 10, 25, 1, 59), "CT1", "CT", "", "before the hour that comes twice", []),
]  # fmt: skip


def _seed() -> None:
    make.site()
    make.device("CT1", "CT", character_sets=("ISO_IR 192",))
    for title in ("CT2", "MR1", "CT_1"):
        make.device(title, title[:2])
    for number, (name, birth, sex, patient_id, issuer) in enumerate(PEOPLE):
        start, station, modality, physician, description, codes = STEPS[number % len(STEPS)]
        steps = [
            make.step_request(
                step_id=f"S_{number}*",
                start_at=datetime(*start, tzinfo=VIENNA).astimezone(UTC),  # type: ignore[arg-type]
                station_ae_title=station,
                modality=modality,
                performing_physician=PersonName.parse(physician),
                description=description,
                protocol_codes=tuple(codes),
            )
        ]
        if number % 4 == 0:
            steps.append(
                make.step_request(
                    step_id=f"s_{number}",
                    start_at=datetime(2026, 7, 6, 12, number, tzinfo=UTC),
                    station_ae_title="MR1",
                    modality="MR",
                )
            )
        make.order(
            placer=Identifier(f"PL[{number}]", "EHR"),
            accession=Identifier(f"ACC_{number}", ("RIS", "urn:oid:1.2.3")[number % 2]),
            patient=PatientReference(
                identifiers=(Identifier(patient_id, issuer, "MR"),),
                demographics=make.demographics(
                    name=PersonName.parse(name), birth_date=PartialDate(birth), sex=sex
                ),
            ),
            procedures=(
                ProcedureRequest(
                    procedure_id=f"RP-{number}%",
                    study_instance_uid=f"1.2.840.{number}",
                    code=make.CT_HEAD if number % 2 else Code("24627-2", "http://loinc.org", "CT"),
                    description="" if number % 3 else f"Study {number} (ward_{number}%)",
                    steps=tuple(steps),
                ),
            ),
            visit=(
                VisitDetails(
                    number=Identifier(f"V{number}", ("HOSP", "urn:oid:1.2.3")[number % 2]),
                    location=("Ward 4", "ward 4", "4_%")[number % 3],
                )
                if number % 3
                else None
            ),
            details=OrderDetails(
                priority=(Priority.ROUTINE, Priority.STAT, Priority.ASAP)[number % 3],
                requester=PersonName.parse(("Ordóñez^Olga", "Novak^Petra")[number % 2]),
                referring=PersonName.parse(("", "Ruíz^Eva")[number % 2]),
                requesting_service=("Surgery", "", "surgery*")[number % 3],
            ),
        )
    execute(
        MergePatients(
            survivor=PatientReference(identifiers=(Identifier("K-1", "HOSP", "MR"),)),
            subsumed=PatientReference(identifiers=(Identifier("a+1", "HOSP", "MR"),)),
        ),
        actor=people.ehr,
    )
    started = ScheduledProcedureStep.objects.order_by("id")[2]
    execute(make.start(started.procedure.order), actor=people.ct1)


class Site:
    """The handlers, and all steps with all they have; short when a test fails."""

    def __init__(self) -> None:
        _seed()
        self.server = requests.handlers()
        self.stored = requests.rows(requests.find(self.server, oracle.everything()))

    def __repr__(self) -> str:
        return f"{len(self.stored)} steps"


@pytest.fixture
def site() -> Site:
    found = Site()
    assert len(found.stored) == 15
    return found


def element(keyword: str, value: Any) -> DataElement:
    tag = tag_for_keyword(keyword)
    assert tag is not None
    return DataElement(tag, dictionary_VR(tag), value, validation_mode=IGNORE)


def dataset(**values: Any) -> Dataset:
    found = Dataset()
    for keyword, value in values.items():
        found.add(element(keyword, value))
    return found


# --- queries: values there are, bent in every way a key may be


_ODD = st.text(st.sampled_from("*?%_[]()^$.+aAbB1 "), min_size=1, max_size=5)


@st.composite
def _bent(draw: st.DrawFn, values: list[str]) -> str:
    """A stored value, or something near it."""
    value = draw(st.sampled_from(values))
    place = draw(st.integers(0, max(len(value) - 1, 0)))
    odd = draw(_ODD)
    return draw(
        st.sampled_from(
            [
                value,
                value[:place] + "*",
                "*" + value[place:],
                value[:place] + "?" + value[place + 1 :],
                value.swapcase(),
                value[:place] + "%" + value[place + 1 :],
                value[:place] + "_" + value[place + 1 :],
                f"{value}\\{values[0]}",
                f" {value} ",
                odd,
                "*",
            ]
        )
    )


_NAMES = sorted({name for name, *_ in PEOPLE})
_PHYSICIANS = ["Osei^Ama", "Lind^Eva", "Łukasz^Jan", "Ordóñez^Olga", "Novak^Petra", "Ruíz^Eva"]
_PLAIN_NAMES = [
    "muller*", "MÜLLER^JÖRG^^^", "doe", "DOE^*", "DOE^*^*", "山田*", "=山田^太郎", "yamada*=",
    "YAMADA*=*", "==やまだ*", "*^太郎", "yamada^tarou=山田^太郎", "αλεξιου*", "Lukasiewicz*",
    "hong*=洪*", "*=*", "^john", "=", "^", "o'brien-smith^mary ann^^dr", "osei*", "RUIZ^eva",
    "doe^john=", "d?e*",
]  # fmt: skip


@st.composite
def _dates(draw: st.DrawFn, days: list[str]) -> str:
    first, last = sorted((draw(st.sampled_from(days)), draw(st.sampled_from(days))))
    return draw(
        st.sampled_from(
            [first, f"{first}-{last}", f"{first}-", f"-{last}", f"{first} - {last}", "*",
             f"{first[:4]}.{first[4:6]}.{first[6:]}"]
        )
    )  # fmt: skip


_DAYS = ["20260328", "20260329", "20260705", "20260706", "20260707", "20261025"]
_BIRTHS = ["19510709", "19600101", "19700503", "19820228", "19991231", "20200229"]
_TIMES = st.sampled_from(
    ["08", "0800", "080000", "080001", "0900", "2359", "235959", "000000", "08-09", "0800-1830",
     "120000-", "-0900", "-08", "080001-080001", "18-", "*", "0330", "03-0330"]
)  # fmt: skip
_CODES = [
    ("P1", "99SITE"),
    ("P2", "LN"),
    ("P2", "99SITE"),
    ("P3", ""),
    ("P3", "99LOCAL"),
    ("", "99LOCAL"),
    ("P*", "99LOC*"),
    ("", "9*"),
    ("", "h*"),
    ("", "LN"),
    ("P1", ""),
    ("P*", ""),
    ("?1", "99*"),
    ("P[1]", ""),
    ("*", "L?"),
]
_STUDY_CODES = [
    ("24627-2", "LN"),
    ("24627-2", ""),
    ("", "LN"),
    ("CTHEAD", ""),
    ("X", "LN"),
    ("24627*", "LN"),
    ("CT*", ""),
    ("*-?", "*"),
    ("", "L*"),
]


@st.composite
def _queries(draw: st.DrawFn) -> Dataset:
    """One to four keys, some more attributes to return, and one of three shapes of sequences."""
    query, step = Dataset(), Dataset()
    possible = [*ROOT_KEYS, *STEP_KEYS, *SEQUENCE_KEYS, PROTOCOL, "PatientID", "IssuerOfPatientID",
                "ScheduledProcedureStepStartDate", "ScheduledProcedureStepStartTime",
                "TimezoneOffsetFromUTC"]  # fmt: skip
    chosen = draw(st.lists(st.sampled_from(possible), max_size=4, unique=True))
    if draw(st.booleans()):
        chosen += ["ScheduledProcedureStepStartDate", "ScheduledProcedureStepStartTime"]
    for keyword in dict.fromkeys(chosen):
        within = step if keyword in {*STEP_KEYS, PROTOCOL} or "StepStart" in keyword else query
        within.add(element(keyword, draw(_value(keyword))))
    returned = draw(st.lists(st.sampled_from(sorted(oracle.RETURNED)), max_size=5, unique=True))
    for keyword in returned:
        if keyword not in query and keyword != "TimezoneOffsetFromUTC":
            is_sequence = keyword.endswith("Sequence")
            query.add(element(keyword, draw(_shapes()) if is_sequence else None))
    if draw(st.booleans()):
        query.PatientName = query.get("PatientName", "")
    if draw(st.integers(0, 9)) == 0:
        query.add(element("PatientReligiousPreference", None))  # not held: FF01
    if draw(st.integers(0, 9)) == 0:
        query.add(element("QueryRetrieveLevel", "STUDY"))
        del query["QueryRetrieveLevel"]  # noted elsewhere; the oracle knows the standard only
    if len(step):
        for keyword in draw(st.lists(st.sampled_from(sorted(oracle.STEP_RETURNED)), max_size=3)):
            if keyword not in step:
                step.add(element(keyword, [] if keyword == PROTOCOL else None))
        query.ScheduledProcedureStepSequence = [step]
    else:
        shape = draw(st.sampled_from(["absent", "no item", "empty item"]))
        if shape != "absent":
            query.add(element(SPS, [] if shape == "no item" else [Dataset()]))
    query.SpecificCharacterSet = "ISO_IR 192"
    return query


def _shapes() -> st.SearchStrategy[list[Dataset]]:
    return st.sampled_from([[], [Dataset()]])


_ISSUERS = ("RIS", "HOSP", "1.2.3", "R*", "?IS", "1*", "*2*", "urn*", "*:1.2.3", "HO?*", "*")


def _value(keyword: str) -> st.SearchStrategy[Any]:
    if keyword == PROTOCOL:
        return st.sampled_from(_CODES).map(_code_item)
    if keyword == "RequestedProcedureCodeSequence":
        return st.sampled_from(_STUDY_CODES).map(_code_item)
    if keyword in SEQUENCE_KEYS:
        return st.sampled_from(
            [dataset(**{name: value}) for name in ISSUER_KEYS for value in _ISSUERS]
        ).map(lambda item: [item])
    if keyword == "TimezoneOffsetFromUTC":
        return st.sampled_from(["-0500", "+0530", "+0000", "+0200"])
    if keyword == "ScheduledProcedureStepStartDate":
        return _dates(_DAYS)
    if keyword == "ScheduledProcedureStepStartTime":
        return _TIMES
    if keyword == "PatientBirthDate":
        return _dates(_BIRTHS)
    if keyword == "PatientSex":
        return st.sampled_from(["M", "F", "O", "m", "M\\F", "*", "X", "?", "??", "M*"])
    if keyword == "ScheduledProcedureStepStatus":
        return st.sampled_from(
            ["SCHEDULED", "STARTED", "SCHEDULED\\STARTED", "DEPARTED", "NO", "S*", "?*", "*ED\\NO"]
        )
    if keyword == "RequestedProcedurePriority":
        return st.sampled_from(
            ["STAT", "HIGH", "ROUTINE", "STAT\\ROUTINE", "stat", "*", "R*", "?????*", "*T\\H???"]
        )
    if keyword == "StudyInstanceUID":
        uids = st.lists(st.sampled_from(_VALUES[keyword]), min_size=1, max_size=3)
        return st.one_of(uids, st.sampled_from(["1.2.*", "1.2.840.?", "*"]))
    if ("Name" in keyword and keyword.startswith("Patient")) or "Physician" in keyword:
        names = _NAMES if keyword == "PatientName" else _PHYSICIANS
        return st.one_of(_bent(names), st.sampled_from(_PLAIN_NAMES))
    return _bent(_VALUES[keyword])


def _code_item(code: tuple[str, str]) -> list[Dataset]:
    value, scheme = code
    return [dataset(CodeValue=value, CodingSchemeDesignator=scheme, CodeMeaning="")]


_NUMBERS = range(len(PEOPLE))
_VALUES = {
    "ScheduledStationAETitle": ["CT1", "CT2", "CT_1", "MR1"],
    "Modality": ["CT", "MR", "US"],
    "ScheduledProcedureStepDescription": sorted({one[4] for one in STEPS} - {""}),
    "ScheduledProcedureStepID": [f"S_{number}*" for number in _NUMBERS],
    "ScheduledStationName": ["CT 1", "MR 1"],
    "ScheduledProcedureStepLocation": ["Room CT1", "Room MR1"],
    "RequestedProcedureID": [f"RP-{number}%" for number in _NUMBERS],
    "RequestedProcedureDescription": ["CT head", *(f"Study {n} (ward_{n}%)" for n in (0, 3, 6))],
    "StudyInstanceUID": [f"1.2.840.{number}" for number in _NUMBERS],
    "AccessionNumber": [f"ACC_{number}" for number in _NUMBERS],
    "RequestingService": ["Surgery", "surgery*"],
    "PlacerOrderNumberImagingServiceRequest": [f"PL[{number}]" for number in _NUMBERS],
    "FillerOrderNumberImagingServiceRequest": ["F000000001", "F000000005"],
    "InstitutionName": ["Test Hospital"],
    "AdmissionID": [f"V{number}" for number in _NUMBERS],
    "CurrentPatientLocation": ["Ward 4", "ward 4", "4_%"],
    "PatientID": [one[3] for one in PEOPLE],
    "IssuerOfPatientID": ["HOSP", "CLINIC"],
}


def _any_issuer(keyword: str, **more: str) -> Dataset:
    """Local issuers of any name: some are known by an OID alone, some not at all."""
    issuer = dataset(LocalNamespaceEntityID="*")
    return dataset(SpecificCharacterSet="ISO_IR 192", **{keyword: [issuer]}, **more)


# --- the comparison


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(query=_queries())
@example(query=_any_issuer("IssuerOfAdmissionIDSequence"))
@example(query=_any_issuer("IssuerOfAccessionNumberSequence", InstitutionName="Test Hospital"))
@pytest.mark.timeout(120 + EXAMPLES // 5)
@pytest.mark.parametrize("syntax", ["explicit", "implicit"])
def test_a_query_is_answered_as_the_standard_says(site: Site, syntax: str, query: Dataset) -> None:
    answer = requests.find(site.server, query, syntax=syntax)

    assert answer.final.status == 0x0000
    found = [_plain(row) for row in requests.rows(answer, syntax)]
    event("something matches" if found else "nothing matches")
    expected = [_plain(row) for row in oracle.answer(site.stored, query)]
    # Of a match without a value for any key its keys come back, without values.
    assert [row for row, wanted in zip(found, expected, strict=True) if wanted] == [
        wanted for wanted in expected if wanted
    ]
    assert not any(
        each.get("Value")
        for row, wanted in zip(found, expected, strict=True)
        if not wanted
        for each in row.values()
    )
    assert answer.pending == (0xFF01 if oracle.unsupported(query) else 0xFF00)


def _plain(row: Dataset) -> dict[str, Any]:
    plain = row.to_json_dict()
    plain.pop("00080005", None)
    return plain


REQUIRED = {
    "PatientName": ["muller*", "Doe^John", "山田*"],
    "PatientID": ["ab1", "a%1"],
    "ScheduledStationAETitle": ["CT1", "MR1"],
    "ScheduledProcedureStepStartDate": ["20260706", "20260705-20260706"],
    "ScheduledProcedureStepStartTime": ["080000", "0800-1830"],
    "Modality": ["CT", "MR"],
    "ScheduledPerformingPhysicianName": ["osei^ama", "L*"],
}  # PS3.4 Table K.6-1


def test_the_required_keys_are_matched_one_by_one_and_in_pairs(site: Site) -> None:
    found_something = 0
    for first, second in combinations_with_replacement(REQUIRED, 2):
        for values in product(REQUIRED[first], REQUIRED[second]):
            keys = dict(zip((first, second), values, strict=True))
            step = {one: keys[one] for one in keys if not one.startswith("Patient")}
            query = dataset(**{one: keys[one] for one in keys if one.startswith("Patient")})
            query.SpecificCharacterSet = "ISO_IR 192"
            query.add(element("AccessionNumber", None))
            if step:
                query.ScheduledProcedureStepSequence = [dataset(**step)]

            found = [_plain(row) for row in requests.rows(requests.find(site.server, query))]

            assert found == [_plain(row) for row in oracle.answer(site.stored, query)], keys
            found_something += bool(found)
    assert found_something > 40


def test_the_list_is_in_order_of_start(site: Site) -> None:
    starts = [
        one[SPS].value[0].ScheduledProcedureStepStartDate
        + one[SPS].value[0].ScheduledProcedureStepStartTime
        for one in site.stored
    ]

    assert starts == sorted(starts)


@pytest.mark.parametrize(
    ("keyword", "value", "tag"),
    [
        ("ScheduledProcedureStepStartDate", "2026-07-06", 0x00400002),
        ("ScheduledProcedureStepStartDate", "20260230", 0x00400002),
        ("ScheduledProcedureStepStartDate", "-", 0x00400002),
        ("ScheduledProcedureStepStartTime", "25", 0x00400003),
        ("ScheduledProcedureStepStartTime", "noon", 0x00400003),
    ],
)
def test_what_is_no_date_or_time_is_refused_by_its_tag(keyword: str, value: str, tag: int) -> None:
    make.site()
    query = Dataset()
    query.ScheduledProcedureStepSequence = [dataset(**{keyword: value})]

    answer = requests.find(requests.handlers(), query)

    assert answer.final.status == 0xA900
    assert answer.final.offending_elements == (tag,)
    assert list(answer.identifiers) == []
