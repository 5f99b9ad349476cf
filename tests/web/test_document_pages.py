"""Documents on the pages of report, order and patient, and handed out."""

from __future__ import annotations

from collections.abc import Callable

from django.test import Client

from ris.domain.actors import endpoint_actor
from ris.domain.documents import Content, FileDocument, Filing
from ris.domain.orders import OrderReference
from ris.domain.patients import PatientReference
from ris.domain.results import FileResult, Observation, ResultLevel, ResultReference
from ris.domain.values import Code, Identifier, PersonName
from ris.models import AuditEvent, Document, Order, Report
from ris.services import execute
from tests.web.department import whole

As = Callable[[str], Client]
dictation = endpoint_actor("Dictation", None, "127.0.0.1")
PDF = b"%PDF-1.4 invented"


def draft(exam: Order, *attachments: Content) -> Report:
    """A report that came from elsewhere and waits for its signature."""
    key = execute(
        FileResult(
            references=(ResultReference(order=OrderReference(public_id=str(exam.public_id))),),
            level=ResultLevel.FINAL,
            trusted=ResultLevel.DRAFT,
            sections={"impression": "Normal."},
            interpreter=PersonName.of("Radic", "Rita"),
            comments="Dictated twice.",
            observations=(
                Observation(
                    code=Code("1", "L", "Volume"), value="120", unit="mm3", category="Cat3"
                ),
            ),
            attachments=attachments,
        ),
        actor=dictation,
    )
    return Report.objects.get(public_id=key)


def filed(exam: Order, content: Content, *, with_order: bool = True) -> Document:
    number = exam.patient.identifiers.get(primary=True)
    key = execute(
        FileDocument(
            filing=Filing.ORIGINAL,
            number=Identifier("D1", "SCAN"),
            patient=PatientReference(identifiers=(Identifier(number.value, number.issuer),)),
            content=content,
            order=OrderReference(public_id=str(exam.public_id)) if with_order else None,
        ),
        actor=dictation,
    )
    return Document.objects.get(public_id=key)


def test_a_draft_from_elsewhere_says_where_it_came_from(as_: As, exam: Order) -> None:
    report = draft(exam, Content(media_type="application/pdf", data=PDF, title="Report"))

    page = whole(as_("radiologist"), f"/reports/{report.public_id}/")

    assert "This draft was written elsewhere." in page
    assert "Received from Dictation" in page
    assert "Dictated twice." in page
    assert "Cat3" in page
    assert f'href="/documents/{Document.objects.get().public_id}/"' in page


def test_a_document_is_saved_as_it_came_and_audited(as_: As, exam: Order) -> None:
    document = filed(exam, Content(media_type="application/pdf", data=PDF, title="Consent"))

    response = as_("technologist").get(f"/documents/{document.public_id}/")

    assert (response.status_code, response.content) == (200, PDF)
    assert response["Content-Type"] == "application/pdf"
    assert response["Content-Disposition"] == 'attachment; filename="Consent.pdf"'
    assert response["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in response["Content-Security-Policy"]
    seen = AuditEvent.objects.get(action="ViewDocument")
    assert seen.patients == [str(exam.patient.public_id)]
    assert seen.subject == f"Document {document.public_id}"


def test_what_a_browser_would_run_is_only_bytes(as_: As, exam: Order) -> None:
    content = Content(media_type="text/html", data=b"<script>1</script>", title='a"b\n/../c')
    document = filed(exam, content)

    response = as_("frontdesk").get(f"/documents/{document.public_id}/")

    assert response["Content-Type"] == "application/octet-stream"
    assert "/" not in response["Content-Disposition"]


def test_without_login_nothing_is_handed_out(client: Client, exam: Order) -> None:
    document = filed(exam, Content(media_type="application/pdf", data=PDF))

    assert client.get(f"/documents/{document.public_id}/").status_code == 302


def test_it_is_listed_with_its_order(as_: As, exam: Order) -> None:
    filed(exam, Content(media_type="application/pdf", data=PDF, title="Consent"))

    page = whole(as_("scheduler"), f"/orders/{exam.public_id}/")

    assert "Consent</a>" in page
    assert "Document received" in page  # on the timeline


def test_one_without_an_order_is_listed_with_its_patient(as_: As, exam: Order) -> None:
    filed(
        exam,
        Content(media_type="application/pdf", data=PDF, title="Referral"),
        with_order=False,
    )

    page = as_("scheduler").get(f"/patients/{exam.patient.public_id}/").content.decode()

    assert "Referral</a>" in page


def test_a_link_is_followed_only_if_it_is_one_of_the_web(as_: As, exam: Order) -> None:
    filed(exam, Content(media_type="application/pdf", link="javascript:alert(1)", title="Odd"))

    page = whole(as_("scheduler"), f"/orders/{exam.public_id}/")

    assert 'href="javascript:' not in page
    assert "javascript:alert(1)" in page
    key = Document.objects.get().public_id
    assert as_("scheduler").get(f"/documents/{key}/").status_code == 404
