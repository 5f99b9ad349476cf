"""IHE Scheduled Workflow from end to end, each case a story (IHE RAD TF-1 3, TF-2 4.1 to 4.7)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from pydicom.dataset import Dataset

from tests.pages import Page
from tests.running import wait_until
from tests.stories.hospital import Hospital, hospital
from worklist.modality import query

pytestmark = [pytest.mark.wire, pytest.mark.timeout(120)]

WRONG_ENTRY = ("110514", "Incorrect worklist entry selected")


@pytest.fixture(scope="module", name="hospital")
def _hospital(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hospital]:
    with hospital(tmp_path_factory.mktemp("hospital")) as running:
        _exam_before_its_order(running)
        yield running


def _exam_before_its_order(hospital: Hospital) -> None:
    """Late orders find their exam by the clock: the last story looks what became of this one."""
    hospital.tells(
        "ADT^A04", "EVN|A04|20260302", "PID|1||S7^^^HOSP^MR||Falk^Fritz||19800101|M", "PV1|1|E"
    )
    exam = unscheduled("S7", "Falk^Fritz", "19800101", "M", uid="1.2.276.0.7230010.3.90.7")
    hospital.ct.ends(exam, hospital.ct.begins(exam))
    assert "FALK" in hospital.person.get("/exceptions/").text
    hospital.orders(
        "P1007", "S7", "Falk^Fritz", uid="1.2.276.0.7230010.3.90.7", birth="19800101", sex="M"
    )


def order_page(hospital: Hospital, number: str) -> Page:
    """The page of an order, by way of the search, with the timeline that it fetches."""
    page = hospital.person.get(f"/search/?q={number}")
    timeline = hospital.person.get(f"{page.path}timeline/")
    return Page(page.status, page.path, page.text + timeline.text)


def test_the_simple_case(hospital: Hospital) -> None:
    hospital.tells(
        "ADT^A04", "EVN|A04|20260302", "PID|1||S1^^^HOSP^MR||Amsel^Ada||19650212|F", "PV1|1|O"
    )
    hospital.orders("P1001", "S1", "Amsel^Ada", uid="1.2.276.0.7230010.3.90.1")

    entry = hospital.ct.sees_one(PatientID="S1")
    assert (str(entry.PatientName), entry.StudyInstanceUID) == (
        "Amsel^Ada",
        "1.2.276.0.7230010.3.90.1",
    )
    hospital.ct.performs(entry)
    assert hospital.ct.sees(PatientID="S1") == []

    report = hospital.person.submit(order_page(hospital, "P1001"), "/reading/open/")
    signed = hospital.person.submit(
        report, "/sign/", button=("as", "final"), findings="No bleeding.", impression="Normal."
    )
    assert signed.status == 200
    result = hospital.awaits(hospital.ehr, r"ORU\^R01", "P1001")
    assert "Normal." in result.text
    assert (result.field("OBR", 25), result.field("OBR", 18)) == ("F", entry.AccessionNumber)
    assert "1.2.276.0.7230010.3.90.1" in result.text
    hospital.ehr_hears("P1001", ("SC", "SC"), ("SC", "IP"), ("SC", "IP"), ("SC", "CM"))
    hospital.pacs_hears("P1001", ("NW", "SC"), ("XO", "CM"))
    page = order_page(hospital, "P1001").text
    for word in ("ORM^O01", "ORU^R01", "CT1", "sam"):
        assert word in page, word


def test_an_unscheduled_exam_becomes_an_order(hospital: Hospital) -> None:
    hospital.tells(
        "ADT^A04", "EVN|A04|20260302", "PID|1||S2^^^HOSP^MR||Buche^Bea||19711103|F", "PV1|1|E"
    )
    nothing_scheduled = unscheduled("S2", "Buche^Bea", "19711103", "F")
    uid = hospital.ct.begins(nothing_scheduled)
    hospital.ct.ends(nothing_scheduled, uid)

    exceptions = hospital.person.get("/exceptions/")
    key = next(link for link in exceptions.links if link.startswith("/exceptions/performed/"))
    page = hospital.person.get(key)
    assert "BUCHE" in page.text
    making = next(form for form in page.forms if form.fields.get("action") == "order")
    done = hospital.person.send(
        page, making, reason="emergency without an order", description="CT head"
    )
    assert done.status == 200
    assert "was made of the exam" in done.text
    assert "BUCHE" not in hospital.person.get("/exceptions/").text
    told = hospital.awaits(hospital.pacs, r"ORM\^O01", "S2^", times=2)
    assert told.field("ZDS", 1).split("^")[0] == str(nothing_scheduled.StudyInstanceUID)


def unscheduled(patient: str, name: str, birth: str, sex: str, uid: str = "") -> Dataset:
    """An entry as a technologist types it: the patient, and nothing of any order."""
    from ris.domain.identifiers import new_uid

    entry = query()
    entry.PatientID, entry.PatientName, entry.PatientBirthDate = patient, name, birth
    entry.PatientSex = sex
    entry.IssuerOfPatientID = "HOSP"
    entry.StudyInstanceUID = uid or new_uid()
    entry.AccessionNumber = ""
    step = entry.ScheduledProcedureStepSequence[0]
    step.Modality = "CT"
    return entry


def test_an_unidentified_patient_is_merged_while_he_is_examined(hospital: Hospital) -> None:
    hospital.tells(
        "ADT^A04", "EVN|A04|20260302", "PID|1||TMP3^^^HOSP^MR||Doe^John||19000101|M", "PV1|1|E"
    )
    hospital.tells(
        "ADT^A04", "EVN|A04|20260302", "PID|1||S3^^^HOSP^MR||Carlsen^Carl||19580704|M", "PV1|1|I"
    )
    hospital.orders("P1003", "TMP3", "Doe^John", birth="19000101", sex="M")
    entry = hospital.ct.sees_one(PatientID="TMP3")
    uid = hospital.ct.begins(entry)

    hospital.tells(
        "ADT^A40",
        "EVN|A40|20260302",
        "PID|1||S3^^^HOSP^MR||Carlsen^Carl||19580704|M",
        "MRG|TMP3^^^HOSP^MR",
    )
    hospital.ct.ends(entry, uid)

    page = order_page(hospital, "P1003").text
    assert "CARLSEN" in page
    hospital.awaits(hospital.pacs, r"ADT\^A40", "TMP3")
    wait_until(
        lambda: ("XO", "CM") in hospital.heard_by_pacs("P1003"), "the end of the exam at the PACS"
    )
    last = hospital.messages(hospital.pacs, r"ORM\^O01", "P1003")[-1]
    assert last.field("PID", 3).startswith("S3^")
    assert "CARLSEN" in hospital.person.get("/search/?q=TMP3").text


def test_an_order_is_changed_by_the_filler(hospital: Hospital) -> None:
    when = hospital.orders("P1004", "S4", "Dahl^Dora")
    hospital.pacs_hears("P1004", ("NW", "SC"))
    page = order_page(hospital, "P1004")
    finder = hospital.person.get(next(link for link in page.links if link.startswith("/book/")))
    by_hand = next(form for form in finder.forms if "at" in form.fields)
    later = when + timedelta(minutes=30)
    # At any hour of the day, also when the room is not open.
    agreed = {"overbook": "on", "reason": "Agreed by telephone"}
    done = hospital.person.send(
        finder, by_hand, day=f"{later:%Y-%m-%d}", at=f"{later:%H:%M}", **agreed
    )
    assert f"{later:%H:%M}." in done.text
    entry = hospital.ct.sees_one(PatientID="S4")
    step = entry.ScheduledProcedureStepSequence[0]
    assert step.ScheduledProcedureStepStartTime[:4] == f"{later:%H%M}"
    hospital.pacs_hears("P1004", ("NW", "SC"), ("XO", "SC"))
    hospital.awaits(hospital.ehr, r"SIU\^S13", "P1004")


def test_an_order_is_canceled_and_ordered_again(hospital: Hospital) -> None:
    hospital.orders("P1005", "S5", "Eder^Eva")
    first = hospital.ct.sees_one(PatientID="S5")
    hospital.tells(
        "ORM^O01", "PID|1||S5^^^HOSP^MR||Eder^Eva||19650212|F", "PV1|1|O", "ORC|CA|P1005^EHR"
    )
    assert hospital.ct.sees(PatientID="S5") == []
    hospital.pacs_hears("P1005", ("NW", "SC"), ("CA", "CA"))

    hospital.orders("P1006", "S5", "Eder^Eva")
    second = hospital.ct.sees_one(PatientID="S5")
    assert second.AccessionNumber != first.AccessionNumber
    assert second.StudyInstanceUID != first.StudyInstanceUID
    hospital.pacs_hears("P1006", ("NW", "SC"))


def test_a_group_of_orders_is_one_exam(hospital: Hospital) -> None:
    at = hospital.hour()
    hospital.orders("P1008", "S8", "Gruber^Gerda", at=at)
    hospital.orders(
        "P1009", "S8", "Gruber^Gerda", procedure="CTCHEST^CT chest^L", at=hospital.hour()
    )
    first, second = hospital.ct.sees(PatientID="S8")

    uid = hospital.ct.begins(first, second)
    hospital.ct.ends(first, uid)

    assert hospital.ct.sees(PatientID="S8") == []
    for number in ("P1008", "P1009"):
        wait_until(
            lambda number=number: ("XO", "CM") in hospital.heard_by_pacs(number),  # type: ignore[misc]
            f"the end of {number} at the PACS",
        )


def test_an_exam_with_the_wrong_entry_gives_the_step_back(hospital: Hospital) -> None:
    hospital.orders("P1010", "S10", "Huber^Hans")
    entry = hospital.ct.sees_one(PatientID="S10")
    uid = hospital.ct.begins(entry)
    assert hospital.ct.sees(PatientID="S10") == []

    hospital.ct.ends(entry, uid, WRONG_ENTRY)

    again = hospital.ct.sees_one(PatientID="S10")
    assert again.AccessionNumber == entry.AccessionNumber
    assert "HUBER" in hospital.person.get("/exceptions/").text


def test_three_steps_of_one_order_are_done_one_by_one(hospital: Hospital) -> None:
    start = hospital.hour()
    hospital.at += timedelta(hours=3)
    stamps = [f"{start + timedelta(hours=hours):%Y%m%d%H%M%S}+0000" for hours in range(3)]
    uid = "1.2.276.0.7230010.3.90.11"
    groups = [
        part
        for number, stamp in enumerate(stamps, start=1)
        for part in (
            "ORC|NW|P1011^EHR",
            f"TQ1|1||||||{stamp}||R",
            "OBR|1|P1011^EHR||CT3^CT in three parts^L||||||||||||||RP11" + "|" * 5 + "CT",
            f"IPC||RP11|{uid}|ST{number}|CT|PART{number}^Part {number}^L|CT 1||CT1",
        )
    ]
    hospital.tells(
        "OMI^O23^OMI_O23",
        "PID|1||S11^^^HOSP^MR||Iversen^Ida||19770707|F",
        "PV1|1|O",
        *groups,
        version="2.5.1",
    )
    entries = hospital.ct.sees(PatientID="S11")
    assert [
        entry.ScheduledProcedureStepSequence[0].ScheduledProcedureStepID for entry in entries
    ] == ["ST1", "ST2", "ST3"]
    assert {entry.StudyInstanceUID for entry in entries} == {uid}

    for number, entry in enumerate(entries, start=1):
        hospital.ct.performs(entry)
        assert len(hospital.ct.sees(PatientID="S11")) == 3 - number

    wait_until(
        lambda: ("XO", "CM") in hospital.heard_by_pacs("P1011"), "the end of the exam at the PACS"
    )
    wait_until(
        lambda: ("SC", "IP") in hospital.heard_by_ehr("P1011"), "the step under way at the EHR"
    )


def test_an_appointment_is_booked_moved_and_canceled_by_the_hospital(hospital: Hospital) -> None:
    hospital.tells(
        "ORM^O01",
        "PID|1||S12^^^HOSP^MR||Jansen^Jan||19620606|M",
        "PV1|1|O",
        "ORC|NW|P1012^EHR",
        "OBR|1|P1012^EHR||CTHEAD^CT head^L" + "|" * 20 + "CT",
    )
    assert hospital.ct.sees(PatientID="S12") == []
    at, later = hospital.hour(), hospital.hour()

    def siu(trigger: str, when: object) -> None:
        hospital.tells(
            f"SIU^{trigger}",
            f"SCH|A12^EHR|||||{trigger}|||30|min|^^30^{when:%Y%m%d%H%M%S}+0000"
            + "|" * 15
            + "P1012^EHR",
            "PID|1||S12^^^HOSP^MR||Jansen^Jan||19620606|M",
            "RGS|1|A",
            f"AIS|1|A|CTHEAD^CT head^L|{when:%Y%m%d%H%M%S}+0000|||30|min",
            "AIG|1|A|CT1",
            version="2.5.1",
        )

    siu("S12", at)
    step = hospital.ct.sees_one(PatientID="S12").ScheduledProcedureStepSequence[0]
    assert step.ScheduledProcedureStepStartTime[:4] == f"{at:%H%M}"

    siu("S13", later)
    step = hospital.ct.sees_one(PatientID="S12").ScheduledProcedureStepSequence[0]
    assert step.ScheduledProcedureStepStartTime[:4] == f"{later:%H%M}"

    siu("S15", later)
    assert hospital.ct.sees(PatientID="S12") == []


def test_a_japanese_name_arrives_whole_everywhere(hospital: Hospital) -> None:
    name = "Yamada^Tarou~山田^太郎^^^^^^I~やまだ^たろう^^^^^^P"
    when = hospital.hour()
    timing = f"^^^{when:%Y%m%d%H%M%S}+0000^^R"
    hospital.tells(
        "ORM^O01",
        f"PID|1||S13^^^HOSP^MR||{name}||19550505|M",
        "PV1|1|O",
        f"ORC|NW|P1013^EHR|||||{timing}",
        f"OBR|1|P1013^EHR||CTHEAD^CT head^L|||||||||||||||||CT1|||CT|||{timing}",
        charset="ISO IR6~ISO IR87",
        encoding="iso2022_jp",
    )
    entry = hospital.ct.sees_one(PatientID="S13")
    expected = "Yamada^Tarou=山田^太郎=やまだ^たろう"
    assert str(entry.PatientName) == expected
    hospital.ct.performs(entry)

    told = hospital.awaits(hospital.pacs, r"ORM\^O01", "P1013", times=2)
    for part in ("Yamada^Tarou", "山田^太郎", "やまだ^たろう"):
        assert part in told.text
    report = hospital.person.submit(order_page(hospital, "P1013"), "/reading/open/")
    assert "山田" in report.text
    hospital.person.submit(
        report, "/sign/", button=("as", "final"), findings="異常なし。", impression="正常。"
    )
    result = hospital.awaits(hospital.ehr, r"ORU\^R01", "P1013")
    for part in ("Yamada^Tarou", "山田^太郎", "やまだ^たろう", "異常なし。"):
        assert part in result.text
    assert "?" not in result.field("PID", 5)


def test_an_order_that_comes_after_its_exam_finds_it(hospital: Hospital) -> None:
    wait_until(
        lambda: ("XO", "CM") in hospital.heard_by_pacs("P1007"),
        "the end of the exam at the PACS",
        seconds=45,
    )

    assert hospital.ct.sees(PatientID="S7") == []
    assert "FALK" not in hospital.person.get("/exceptions/").text
