"""The page about letters to patients after breast exams."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable

import pytest
import time_machine
from django.test import Client
from django.utils import timezone

from ris.domain.actors import OPERATOR
from ris.domain.exchange import Protocol
from ris.domain.letterheads import ChangeLetterhead
from ris.domain.mammography_letters import MarkLettersSent, PrintLetters, mail_id
from ris.models import AuditEvent, BreastLetter, Delivery, Endpoint, Site
from ris.printing.letters import letters_pdf
from ris.selectors import letters as letter_words
from ris.selectors.letters import pages
from ris.services import execute
from tests import make, people
from tests.programs import requires
from tests.web.breast_clinic import Clinic, day_later, text

pytestmark = pytest.mark.django_db

As = Callable[[str], Client]


def test_letters_are_printed_together_and_marked(
    as_: As, clinic: Clinic, noon: time_machine.Traveller
) -> None:
    early = text(as_("frontdesk"), "/mammography/letters/")
    day_later(noon)
    client, letter = as_("frontdesk"), BreastLetter.objects.get()
    form = {"letter": [str(letter.public_id)], "how": "HANDED"}

    listed = text(client, "/mammography/letters/")
    answer = client.post("/mammography/letters/print/", form)
    client.post("/mammography/letters/sent/", form)

    letter.refresh_from_db()
    assert "No letter is to be sent now" in early
    assert "Biopsy recommended" in listed
    assert (answer["Content-Type"], answer.content[:5]) == ("application/pdf", b"%PDF-")
    assert (letter.state, letter.sent_how, letter.sent_by) == ("SENT", "HANDED", "frontdesk")
    again = client.get(f"/mammography/letters/{letter.public_id}/")
    assert again.content == answer.content
    assert AuditEvent.objects.filter(action="PrintLetters", patients__isnull=False).exists()


def test_a_letter_keeps_the_letterhead_under_which_it_was_printed(
    as_: As, clinic: Clinic, noon: time_machine.Traveller
) -> None:
    day_later(noon)
    letter = BreastLetter.objects.get()
    answer = as_("frontdesk").post(
        "/mammography/letters/print/", {"letter": [str(letter.public_id)]}
    )
    day_later(noon)
    site = str(Site.objects.order_by("id")[0].public_id)
    execute(ChangeLetterhead(site=site, institution="Another Clinic"), actor=OPERATOR)

    again = as_("frontdesk").get(f"/mammography/letters/{letter.public_id}/")

    assert again.content == answer.content


def test_a_letter_says_how_far_its_mail_got_and_leaves_another_way_if_it_did_not(
    as_: As, clinic: Clinic
) -> None:
    client, letter = as_("frontdesk"), BreastLetter.objects.get()
    now = timezone.now()
    BreastLetter.objects.update(state="SENT", sent_how="MAIL", sent_at=now, printed_at=now)
    carrier = make.endpoint(
        "PATIENTS", protocol=Protocol.MAIL, settings={"transport": "folder"}, sends=()
    )
    mail = Delivery.objects.create(
        endpoint=Endpoint.objects.get(public_id=carrier),
        lane=f"letter:{letter.public_id}",
        control_id=mail_id(str(letter.public_id)),
        payload=b"{}",
        state="DELIVERED",
        due_at=now,
    )
    sent = "/mammography/letters/?tab=sent"

    handed = text(client, sent)
    Delivery.objects.filter(pk=mail.pk).update(state="REFUSED", last_error="550 no such mailbox")
    refused = text(client, sent)
    client.post("/mammography/letters/sent/", {"letter": [str(letter.public_id)], "how": "HANDED"})

    assert "Handed to the mail server" in handed
    assert "Handed over" not in handed
    assert "Refused by the mail server 550 no such mailbox" in refused
    assert "Handed over" in refused
    letter.refresh_from_db()
    assert letter.sent_how == "HANDED"


def test_a_patient_who_wants_no_letters_is_left_out(
    as_: As, clinic: Clinic, noon: time_machine.Traveller
) -> None:
    patient = clinic.recalled.report.order.patient.public_id
    as_("frontdesk").post(f"/mammography/patients/{patient}/choice/", {"wanted": "no"})
    day_later(noon)
    client, letter = as_("frontdesk"), BreastLetter.objects.get()

    answer = client.post("/mammography/letters/print/", {"letter": [str(letter.public_id)]})

    assert answer.status_code == 303
    assert "the patient wants no letters" in text(client, "/mammography/letters/?tab=stopped")


def test_a_letter_that_was_never_printed_cannot_be_read(as_: As, clinic: Clinic) -> None:
    letter = BreastLetter.objects.get()

    assert as_("frontdesk").get(f"/mammography/letters/{letter.public_id}/").status_code == 404


def test_nothing_chosen_is_said(as_: As, clinic: Clinic) -> None:
    client = as_("frontdesk")

    assert client.post("/mammography/letters/print/").status_code == 422
    assert client.post("/mammography/letters/sent/").status_code == 422


@requires("poppler")
@pytest.mark.parametrize("language", ["en", "de", "es", "fr", "ja"])
def test_a_letter_is_on_paper_in_each_language(
    clinic: Clinic, noon: time_machine.Traveller, language: str
) -> None:
    clinic.recalled.report.order.patient.language = language
    clinic.recalled.report.order.patient.save()
    day_later(noon)
    keys = execute(
        PrintLetters(letters=(str(BreastLetter.objects.get().public_id),)), actor=people.frontdesk
    )
    execute(MarkLettersSent(letters=keys), actor=people.frontdesk)

    made = letters_pdf(pages(keys))

    said = subprocess.run(
        [shutil.which("pdftotext") or "pdftotext", "-", "-"],
        input=made, capture_output=True, check=True,
    ).stdout.decode()  # fmt: skip
    assert letter_words.frame_of(language).title in said
    assert "MRN1" in said
