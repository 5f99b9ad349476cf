"""ORU in: reports from dictation and algorithms, as far as their sender is trusted."""

from __future__ import annotations

import base64
from datetime import UTC, datetime

import pytest

from ris.domain.exchange import MessageState, ReplayMessage
from ris.domain.orders import AddProcedure, CancelOrder, OrderReference, ProcedureRequest
from ris.domain.reporting import FinalizeReport, SaveDraft
from ris.domain.values import Code, Identifier
from ris.models import InboundMessage, Order, Report, ReportVersion, User
from ris.models.guards import lifted
from ris.selectors.reports import report_view
from ris.services import execute
from tests import make, people
from tests.integration.hl7.reports import (
    PID,
    body,
    exam,
    kinds,
    obr,
    oru,
    trust,
)

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _site(accepting: None) -> None:
    make.site()
    make.device()


# --- which exam, which document ------------------------------------------------------------------


@pytest.mark.parametrize(("number", "place"), [("2", "OBR^1^2"), ("3", "OBR^1^3")])
def test_what_is_wrong_with_an_exam_is_told_where_the_message_names_it(
    number: str, place: str
) -> None:
    order = make.booked()  # nobody has done it yet
    names = {
        "2": f"{order.placer_order_number}^{order.placer_issuer}",
        "3": f"{order.filler_order_number}^RIS",
    }
    segment = f"OBR|1|{names['2'] if number == '2' else ''}|{names['3'] if number == '3' else ''}"

    told = oru(PID, f"{segment}|CTHEAD^CT head^L" + "|" * 21 + "F", *body())

    assert told == ["AE", f"207 {place}"]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"%PDF-1.4 whole", ["AA"]),
        (b"\xef\xbb\xbf\r\n%PDF-1.7 after a mark", ["AA"]),
        (b"MZ something else", ["AE", "102 OBX^3^5^1^5"]),
    ],
)
def test_what_is_said_to_be_a_pdf_is_one(content: bytes, told: list[str]) -> None:
    encoded = base64.b64encode(content).decode()
    document = f"OBX|3|ED|PDF^Report^L||HIS^Application^PDF^Base64^{encoded}||||||F"

    assert oru(PID, obr(exam()), *body(), document) == told


# --- as what it is filed ------------------------------------------------------------------------


def test_a_sender_nobody_vouches_for_brings_a_draft() -> None:
    order = exam()

    assert oru(PID, obr(order), *body()) == ["AA"]

    report = Report.objects.get()
    assert (report.status, report.author_id) == ("DRAFT", None)
    assert report.draft == {
        "findings": "No bleeding.\nNo mass.",
        "impression": "Normal CT of the head.",
    }
    assert report.particulars["interpreter"] == "Radic^Rita"


@pytest.mark.parametrize(
    ("said", "known"),
    [
        ("0300&Radic&Rita&&&&&&HOSP", Identifier("0300", "HOSP")),
        ("0300&Radic&Rita", Identifier("0300")),
        ("0300^Radic^Rita^^^^^^HOSP", Identifier("0300", "HOSP")),
        ("&Radic&Rita", None),
    ],
)
def test_who_read_it_elsewhere_keeps_the_number_it_is_known_by(
    said: str, known: Identifier | None
) -> None:
    trust("final")

    assert oru(PID, obr(exam(), f32=said), *body()) == ["AA"]

    current = report_view(str(Report.objects.get().public_id)).current
    assert current is not None
    assert (str(current.signer_name), current.signer_identifier) == ("Radic^Rita", known)


@pytest.mark.parametrize(
    ("trusted", "said", "becomes"),
    [
        ("draft", "P", "DRAFT"),
        ("preliminary", "F", "PRELIMINARY"),
        ("preliminary", "R", "DRAFT"),
        ("final", "P", "PRELIMINARY"),
        ("final", "F", "FINAL"),
        ("final", "A", "DRAFT"),
        ("final", "C", "FINAL"),
    ],
)
def test_a_report_is_what_it_says_as_far_as_its_sender_is_trusted(
    trusted: str, said: str, becomes: str
) -> None:
    trust(trusted)

    assert oru(PID, obr(exam(), said), *body(said)) == ["AA"]
    assert Report.objects.get().status == becomes


def test_a_final_report_completes_the_order_and_names_who_signed_it() -> None:
    trust()
    order = exam()

    oru(PID, obr(order, f22="20260302143000", f35="0400&Type&Tom"), *body())

    order.refresh_from_db()
    assert order.status == "COMPLETED"
    (version,) = report_view(str(Report.objects.get().public_id)).versions
    assert (version.signer, version.signer_name.display) == ("", "RADIC, Rita")
    assert version.signed_at == datetime(2026, 3, 2, 13, 30, tzinfo=UTC)
    assert version.particulars is not None
    assert version.particulars.transcriptionist.display == "TYPE, Tom"


def test_reports_may_be_refused_altogether() -> None:
    trust("no")

    assert oru(PID, obr(exam()), *body())[0] == "AR"
    assert not Report.objects.exists()


def test_a_radiologist_signs_the_draft_of_dictation() -> None:
    oru(PID, obr(exam()), *body())
    report = Report.objects.get()

    execute(
        FinalizeReport(report=str(report.public_id), sections=report.draft),
        actor=people.radiologist,
    )

    version = ReportVersion.objects.get()
    assert version.particulars["source"] == "HIS^GENERAL"
    assert Report.objects.get().particulars is None


# --- which exam ---------------------------------------------------------------------------------


def test_what_names_no_exam_of_ours_waits_and_is_applied_again() -> None:
    order = exam()
    told = oru(PID, obr(None, f18="A99"), *body())
    assert told == ["AE", "204 OBR^1^18"]
    message = InboundMessage.objects.get()
    assert message.state == MessageState.REJECTED.value

    Order.objects.filter(pk=order.pk).update(accession_number="A99")
    execute(ReplayMessage(message=str(message.public_id)), actor=people.admin)

    message.refresh_from_db()
    assert message.state == MessageState.APPLIED.value
    assert Report.objects.get().order_id == order.pk


def test_all_numbers_have_to_agree() -> None:
    order, other = exam(), exam()

    assert oru(PID, obr(order, filler=f"{other.filler_order_number}^RIS"), *body()) == [
        "AE",
        "205 OBR^1^18",
    ]
    assert oru(PID, obr(order, filler="F77^RIS"), *body()) == ["AE", "204 OBR^1^3"]
    assert not Report.objects.exists()


@pytest.mark.parametrize(
    "value", ["HD|113014^DICOM Study^DCM||{uid}", "ST|113014^DICOM Study^DCM||{uid}",
              "RP|113014^DICOM Study^DCM||{uid}^RIS^Application^DICOM"],
)  # fmt: skip
def test_the_study_is_read_in_each_value_type(value: str) -> None:
    order = exam()
    uid = order.procedures.get().study_instance_uid

    told = oru(PID, obr(None), f"OBX|9|{value.format(uid=uid)}||||||O", *body())

    assert told == ["AA"]
    assert Report.objects.get().order_id == order.pk


def test_a_study_of_another_order_is_refused() -> None:
    order, other = exam(), exam()
    uid = other.procedures.get().study_instance_uid

    told = oru(PID, obr(order), f"OBX|9|ST|113014^DICOM Study^DCM||{uid}||||||O", *body())

    assert told == ["AE", "205 OBX^1^5"]


def test_another_patients_report_is_refused() -> None:
    order = exam()
    make.order(patient=make.patient("4712"))

    told = oru("PID|1||4712^^^HOSP^MR||Berg^Anna||19700503|F", obr(order), *body())

    assert told == ["AE", "207 PID^1^3"]


def test_one_report_may_be_about_several_orders() -> None:
    trust()
    first, second = exam(), exam()

    assert oru(PID, obr(first), obr(second), *body()) == ["AA"]

    report = Report.objects.get()
    assert {each.order_id for each in report.procedures.all()} == {first.pk, second.pk}


def test_exams_with_a_text_each_have_a_report_each() -> None:
    trust()
    first, second = exam(), exam()

    assert oru(PID, obr(first), *body(), obr(second), "OBX|1|TX|&IMP||Fracture.||||||F") == ["AA"]
    assert Report.objects.count() == 2


def test_which_exam_of_an_order_is_not_guessed() -> None:
    order = exam()
    execute(
        AddProcedure(
            order=OrderReference(public_id=str(order.public_id)),
            procedure=ProcedureRequest(
                code=Code("CTCHEST", "TEST", "CT chest"), steps=(make.step_request(),)
            ),
        ),
        actor=people.scheduler,
    )

    told = oru(PID, obr(order, f4="CTKNEE^CT knee^TEST"), *body())

    assert told == ["AE", "204 OBR^1^4"]
    assert oru(PID, obr(order), *body()) == ["AA"]


def test_an_exam_that_was_not_done_has_no_report() -> None:
    order = make.booked(patient=make.patient("4711"))

    assert oru(PID, obr(order), *body()) == ["AE", "207 OBR^1^18"]


def test_an_exam_that_was_canceled_has_no_report() -> None:
    order = make.booked(patient=make.patient("4711"))
    execute(CancelOrder(order=OrderReference(public_id=str(order.public_id))), actor=people.ehr)

    assert oru(PID, obr(order), *body()) == ["AE", "207 OBR^1^18"]


# --- versions -----------------------------------------------------------------------------------


def test_preliminary_then_final() -> None:
    trust()
    order = exam()

    oru(PID, obr(order, "P"), *body("P"))
    oru(PID, obr(order), *body())

    assert kinds() == ["PRELIMINARY", "FINAL"]


def test_the_same_report_once_more_is_no_version() -> None:
    trust()
    order = exam()
    oru(PID, obr(order), *body())

    assert oru(PID, obr(order), *body()) == ["AA"]
    assert kinds() == ["FINAL"]


def test_another_final_report_over_a_final_one_is_refused() -> None:
    trust()
    order = exam()
    oru(PID, obr(order), *body())

    told = oru(PID, obr(order), "OBX|1|TX|&IMP||Bleeding.||||||F")

    assert told == ["AE", "207 OBR^1^25"]
    assert kinds() == ["FINAL"]


def test_a_preliminary_report_over_a_final_one_is_refused() -> None:
    trust()
    order = exam()
    oru(PID, obr(order), *body())

    assert oru(PID, obr(order, "P"), *body("P")) == ["AE", "207 OBR^1^25"]


def test_a_correction_replaces_what_its_sender_signed() -> None:
    trust()
    order = exam()
    oru(PID, obr(order), *body())

    assert oru(PID, obr(order, "C"), "OBX|1|TX|&IMP||Bleeding.||||||C") == ["AA"]

    assert kinds() == ["FINAL", "CORRECTION"]
    assert ReportVersion.objects.get(number=2).sections == {"impression": "Bleeding."}


def test_what_was_signed_here_is_not_corrected_from_outside() -> None:
    trust()
    order = exam()
    make.final_report(order)
    with lifted():
        ReportVersion.objects.update(signer=User.objects.create(username="radic"))

    assert oru(PID, obr(order, "C"), *body("C")) == ["AE", "207 OBR^1^25"]
    assert kinds() == ["FINAL"]


ADDENDUM = "OBX|3|TX|&ADT||Compared with 2024: unchanged.||||||{state}"


@pytest.mark.parametrize(
    ("dialect", "status", "segments"),
    [
        ("whole", "C", (*body("C"), ADDENDUM.format(state="C"))),
        ("group", "F", (*body("F"), ADDENDUM.format(state="F"))),
        ("only", "F", (ADDENDUM.format(state="F"),)),
        ("only", "C", ("OBX|1|TX|||Compared with 2024: unchanged.||||||C",)),
    ],
)
def test_an_addendum_in_each_dialect(dialect: str, status: str, segments: tuple[str, ...]) -> None:
    trust(addendum_in=dialect)
    order = exam()
    oru(PID, obr(order), *body())

    assert oru(PID, obr(order, status), *segments) == ["AA"]

    assert kinds() == ["FINAL", "ADDENDUM"]
    assert ReportVersion.objects.get(number=2).sections == {
        "findings": "No bleeding.\nNo mass.",
        "impression": "Normal CT of the head.",
        "addendum": "Compared with 2024: unchanged.",
    }


def test_who_was_told_stands_in_a_draft_where_whoever_signs_it_reads_it() -> None:
    order = exam()
    told = "OBX|3|TX|73568-8^Communication of critical results^LN||Told Dr. Ordonez.||||||F"

    assert oru(PID, obr(order), *body(), told, ADDENDUM.format(state="F")) == ["AA"]

    assert Report.objects.get().draft == {
        "findings": "No bleeding.\nNo mass.\n\nCompared with 2024: unchanged.\n\nTold Dr. Ordonez.",
        "impression": "Normal CT of the head.",
    }


def test_a_draft_that_somebody_works_on_is_not_overwritten() -> None:
    order = exam()
    oru(PID, obr(order), *body())
    report = Report.objects.get()
    execute(
        SaveDraft(report=str(report.public_id), sections={"findings": "My own words."}),
        actor=people.radiologist,
    )

    told = oru(PID, obr(order), "OBX|1|TX|&IMP||Other.||||||F")

    assert told == ["AE", "207 OBR^1^25"]
    assert Report.objects.get().draft == {"findings": "My own words."}


def test_a_draft_from_elsewhere_gives_way_to_the_next() -> None:
    order = exam()
    oru(PID, obr(order, "P"), *body("P"))

    assert oru(PID, obr(order), "OBX|1|TX|&IMP||Other.||||||F") == ["AA"]
    assert Report.objects.get().draft == {"impression": "Other."}


# --- withdrawn ----------------------------------------------------------------------------------


def test_a_draft_may_be_taken_back() -> None:
    order = exam()
    oru(PID, obr(order), *body())

    assert oru(PID, obr(order), *body("D")) == ["AA"]
    assert Report.objects.get().status == "DISCARDED"


def test_a_signed_report_is_withdrawn_by_permission() -> None:
    trust(withdraw_results=True)
    order = exam()
    oru(PID, obr(order), *body())

    assert oru(PID, obr(order, "C"), *body("W"), "NTE|1||Wrong patient.") == ["AA"]

    assert Report.objects.get().status == "RETRACTED"
    assert kinds() == ["FINAL", "RETRACTION"]


def test_without_permission_a_person_decides() -> None:
    trust()
    order = exam()
    oru(PID, obr(order), *body())

    assert oru(PID, obr(order, "C"), *body("W"))[0] == "AR"
    assert Report.objects.get().status == "FINAL"
