"""ORU in: reports from dictation and algorithms, as far as their sender is trusted."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from integration.hl7.inbound import handle
from integration.hl7.server import Peer, Reply
from integration.hl7.to_domain.results import headings
from ris import config
from ris.domain.actors import OPERATOR
from ris.domain.exchange import (
    ConfigureEndpoint,
    Direction,
    MessageState,
    Protocol,
    ReplayMessage,
)
from ris.domain.orders import AddProcedure, CancelOrder, OrderReference, ProcedureRequest
from ris.domain.reporting import FinalizeReport, SaveDraft
from ris.domain.values import Code, Identifier
from ris.models import Document, InboundMessage, Order, Report, ReportVersion, User
from ris.selectors.reports import report_view
from ris.services import execute
from tests import make, people
from tests.integration.hl7.messages import text

pytestmark = pytest.mark.django_db

PEER = Peer("127.0.0.1", 50000, 2575, 1)
PID = "PID|1||4711^^^HOSP^MR||Berg^Anna||19700503|F"
BODY = (
    "OBX|1|FT|18782-3^Findings^LN|1|No bleeding.\\.br\\No mass.||||||{state}",
    "OBX|2|FT|19005-8^Impression^LN|2|Normal CT of the head.||||||{state}",
)
PDF = base64.b64encode(b"%PDF-1.4 an invented document").decode()
_keys = iter(range(1, 10_000))


@pytest.fixture(autouse=True)
def _site(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("RIS_MLLP__UNKNOWN_SENDERS", "accept")
    config.load.cache_clear()
    make.site()
    make.device()
    yield
    config.load.cache_clear()


def trust(level: str = "final", **settings: object) -> None:
    """The sender as an endpoint that may bring reports of this level."""
    execute(
        ConfigureEndpoint(
            name="Dictation",
            protocol=Protocol.HL7,
            direction=Direction.IN,
            protocol_name="HIS^GENERAL",
            settings={"results": level, **settings},
        ),
        actor=OPERATOR,
    )


def exam(**fields: object) -> Order:
    """An exam that is done and waits to be read."""
    at = make.NOON + timedelta(hours=Order.objects.count())
    return make.performed(patient=make.patient("4711"), start_at=at, **fields)


def obr(order: Order | None, status: str = "F", *, filler: str = "", **more: str) -> str:
    fields = dict.fromkeys(range(1, 36), "")
    fields |= {
        1: "1",
        3: filler,
        4: "CTHEAD^CT head^TEST",
        18: order.accession_number if order else "",
        25: status,
        32: "0300&Radic&Rita",
    }
    fields |= {int(key[1:]): value for key, value in more.items()}
    return "|".join(["OBR", *(fields[number] for number in range(1, 36))])


def body(state: str = "F") -> tuple[str, ...]:
    return tuple(line.format(state=state) for line in BODY)


def oru(*segments: str, key: str = "", sender: str = "HIS") -> list[str]:
    """MSA-1, and code and place of each fault of the answer."""
    message = text(
        *segments, message_type="ORU^R01^ORU_R01", key=key or f"R{next(_keys)}", version="2.5.1"
    ).replace("|HIS|", f"|{sender}|", 1)
    reply = handle(message.encode(), PEER)
    assert isinstance(reply, Reply)
    lines = [line.split("|") for line in reply.payload.decode().split("\r") if line]
    told = [line[1] for line in lines if line[0] == "MSA"]
    told += [
        f"{line[3].partition('^')[0]} {line[2]}"
        for line in lines
        if line[0] == "ERR" and len(line) > 3
    ]
    return told


def kinds() -> list[str]:
    return list(ReportVersion.objects.order_by("number").values_list("kind", flat=True))


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


# --- texts --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("segments", "sections"),
    [
        (
            ("OBX|1|TX|71020&IMP^Chest^C4||Normal.~No change.||||||F",),
            {"impression": "Normal.\nNo change."},
        ),
        (
            ("OBX|1|TX|71020&GDT||Line one.||||||F", "OBX|2|TX|71020&GDT||Line two.||||||F"),
            {"findings": "Line one.\nLine two."},
        ),
        (
            (
                "OBX|1|TX|CTHEAD^CT head^TEST||FINDINGS||||||F",
                "OBX|2|TX|CTHEAD^CT head^TEST||No mass.||||||F",
                "OBX|3|TX|CTHEAD^CT head^TEST||IMPRESSION||||||F",
                "OBX|4|TX|CTHEAD^CT head^TEST||Normal.||||||F",
            ),
            {"findings": "No mass.", "impression": "Normal."},
        ),
        (
            ("OBX|1|FT|18748-4^Study^LN||Technique: native\\.br\\IMPRESSION: Normal.||||||F",),
            {"findings": "Technique: native", "impression": "Normal."},
        ),
        (("OBX|1|ST|^Recommendation||Control in a year.||||||F",),
         {"recommendation": "Control in a year."}),
    ],
)  # fmt: skip
def test_sections_by_suffix_code_name_or_heading(
    segments: tuple[str, ...], sections: dict[str, str]
) -> None:
    assert oru(PID, obr(exam()), *segments) == ["AA"]
    assert Report.objects.get().draft == sections


def test_headings_keep_what_stands_before_the_first() -> None:
    assert headings("CT of the head\n\nImpression:\nNormal.") == [
        ("findings", "CT of the head"),
        ("impression", "Normal."),
    ]


def test_results_of_an_algorithm_are_lines_of_a_draft() -> None:
    told = oru(
        PID,
        obr(exam(), "R"),
        "OBX|1|CWE|RID50149^Pulmonary nodule^RADLEX||RID28472^present^RADLEX||||||P",
        "OBX|2|NM|118565006^Volume^SCT||120|mm3^^UCUM||H|||P||"
        "Cat3^Noncritical actionable finding^RADLEX",
    )

    assert told == ["AA"]
    report = Report.objects.get()
    assert report.draft == {
        "findings": "Pulmonary nodule: present\nVolume: 120 mm3 (H, Noncritical actionable finding)"
    }
    assert report.particulars["observations"][1]["category"] == "Noncritical actionable finding"


NODULE = "OBX|1|NM|118565006^Volume^SCT||{value}|mm3^^UCUM||||||P"


def named(sender: str, *segments: str) -> list[str]:
    """The same from another sender."""
    return oru(*segments, key=f"{sender}{next(_keys)}", sender=sender)


def test_results_of_an_algorithm_stand_beside_the_dictation_whichever_comes_first() -> None:
    first, second = exam(), exam()

    named("AI", PID, obr(first, "R"), NODULE.format(value=120))
    oru(PID, obr(first, "P"), "OBX|1|TX|&GDT||No bleeding.||||||P")
    oru(PID, obr(second, "P"), "OBX|1|TX|&GDT||No bleeding.||||||P")
    named("AI", PID, obr(second, "R"), NODULE.format(value=110))
    named("AI", PID, obr(second, "R"), NODULE.format(value=120))

    drafts = [report.draft for report in Report.objects.order_by("id")]
    assert drafts == [{"findings": "No bleeding.\n\nVolume: 120 mm3"}] * 2
    assert {report.particulars["source"] for report in Report.objects.all()} == {"HIS^GENERAL"}


def test_the_draft_of_another_sender_is_neither_replaced_nor_taken_back() -> None:
    order = exam()
    oru(PID, obr(order, "P"), "OBX|1|TX|&GDT||No bleeding.||||||P")

    assert named("OTHER", PID, obr(order, "P"), "OBX|1|TX|&GDT||Bleeding.||||||P") == [
        "AE",
        "207 OBR^1^25",
    ]
    assert named("OTHER", PID, obr(order, "P"), "OBX|1|TX|&GDT||Bleeding.||||||D") == [
        "AE",
        "207 OBR^1^25",
    ]
    assert Report.objects.get().draft == {"findings": "No bleeding."}


def test_comments_are_kept_beside_the_text() -> None:
    oru(PID, obr(exam()), "NTE|1|L|Dictated twice.", *body())

    assert Report.objects.get().particulars["comments"] == "Dictated twice."


def test_a_report_without_text_or_status_is_refused() -> None:
    order = exam()

    assert oru(PID, obr(order)) == ["AE", "101 OBX^1^5"]
    assert oru(PID, obr(order, ""), *body("")) == ["AE", "101 OBR^1^25"]
    assert oru(PID, obr(order, "S"), *body("S")) == ["AE", "103 OBR^1^25"]


# --- documents ----------------------------------------------------------------------------------


def test_a_pdf_is_kept_with_the_version() -> None:
    trust()
    broken = "\\.br\\".join(PDF[at : at + 8] for at in range(0, len(PDF), 8))

    told = oru(PID, obr(exam()), *body(), f"OBX|3|ED|PDF^Report||^Application^PDF^Base64^{broken}")

    assert told == ["AA"]
    document = Document.objects.get()
    assert bytes(document.content) == b"%PDF-1.4 an invented document"
    assert (document.media_type, document.version, document.title) == (
        "application/pdf", 1, "Report",
    )  # fmt: skip


def test_a_report_may_be_nothing_but_a_document() -> None:
    told = oru(PID, obr(exam()), f"OBX|1|ED|PDF||^Application^PDF^Base64^{PDF}||||||F")

    assert told == ["AA"]
    document = Document.objects.get()
    assert (document.report.status, document.version) == ("DRAFT", None)
    assert document.report.draft == {"findings": "See the attached document."}


def test_a_link_is_kept_as_a_link() -> None:
    oru(PID, obr(exam()), *body(), "OBX|3|RP|PDF^Report||https://example.org/r/1^X^AP^PDF")

    document = Document.objects.get()
    assert (document.link, document.size, document.media_type) == (
        "https://example.org/r/1", 0, "application/pdf",
    )  # fmt: skip


def test_a_document_beyond_the_limit_is_refused_with_its_place() -> None:
    trust(document_megabytes=1)
    large = base64.b64encode(b"%PDF-1.4" + bytes(1024 * 1024)).decode()

    told = oru(PID, obr(exam()), *body(), f"OBX|3|ED|PDF||^Application^PDF^Base64^{large}")

    assert told == ["AE", "102 OBX^3^5"]


def test_what_is_no_base64_is_refused() -> None:
    told = oru(PID, obr(exam()), *body(), "OBX|3|ED|PDF||^Application^PDF^Base64^?*?")

    assert told == ["AE", "102 OBX^3^5^1^5"]


def test_an_order_can_be_named_by_the_placer_alone() -> None:
    order = exam(placer=Identifier("PL9", "HIS"))

    assert oru(PID, obr(None, f2="PL9^HIS"), *body()) == ["AA"]
    assert Report.objects.get().order_id == order.pk
