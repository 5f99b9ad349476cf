"""Messages at the interface desk: edited, compared, filtered, run again."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import urlencode

from django.test import Client
from django.utils import timezone

from ris.models import (
    AuditEvent,
    Delivery,
    DomainEvent,
    InboundMessage,
    MessageEdit,
    MessageRun,
)
from ris.models.base import uuid7
from ris.services import message_runs
from tests import make
from tests.web.department import ORM, Department
from tests.web.interface_desk import As, text_of, tied

# --- messages


def test_edit_shows_the_text_and_applies_what_was_changed(full: Department, as_: As) -> None:
    tied(full)
    make.definition()
    client = as_("admin")
    address = f"/messages/in/{full.rejected.public_id}/edit/"
    page = text_of(client.get(address))
    changed = ORM.decode().replace("19610214", "19610215").replace("\r", "\r\n")

    response = client.post(address, {"text": changed, "reason": "Day was wrong"}, follow=True)

    new = MessageEdit.objects.get().after_message
    assert new is not None
    assert "MRN900^^^HOSP^MR||Vavra^Petr" in page
    assert (new.state, b"19610215" in bytes(new.raw)) == ("APPLIED", True)
    assert "Applied as a new message." in text_of(response)
    assert f"/messages/in/{full.rejected.public_id}/" in text_of(response)
    first = text_of(client.get(f"/messages/in/{full.rejected.public_id}/"))
    assert "Day was wrong" in first
    assert f"/messages/in/{new.public_id}/" in first


def test_edit_without_reason_says_so_and_keeps_the_text(full: Department, as_: As) -> None:
    response = as_("admin").post(
        f"/messages/in/{full.rejected.public_id}/edit/", {"text": "MSH|typed", "reason": ""}
    )

    assert response.status_code == 422
    assert "MSH|typed" in text_of(response)
    assert MessageEdit.objects.count() == 0


def test_edit_that_is_no_message_is_refused_with_its_place(full: Department, as_: As) -> None:
    response = as_("admin").post(
        f"/messages/in/{full.rejected.public_id}/edit/", {"text": "PID|1", "reason": "because"}
    )

    assert response.status_code == 422
    assert "MSH: a message starts with MSH" in text_of(response)


def test_parked_delivery_is_edited_and_sent_from_its_place(full: Department, as_: As) -> None:
    client = as_("admin")
    address = f"/messages/out/{full.delivery.public_id}/edit/"
    page = text_of(client.get(address))

    client.post(
        address,
        {
            "text": ORM.decode().replace("ORM^O01", "ORU^R01") + "NTE|1",
            "reason": "Note was missing",
        },
    )

    row = Delivery.objects.get(pk=full.delivery.pk)
    assert "It keeps its place in the queue" in page
    assert (row.state, row.control_id != "OUT0001") == ("PENDING", True)
    assert bytes(row.payload).endswith(b"NTE|1\r")
    assert "Note was missing" in text_of(client.get(f"/messages/out/{row.public_id}/"))


def test_message_tells_what_it_made(full: Department, as_: As) -> None:
    event = DomainEvent.objects.filter(name="OrderPlaced").latest("id")
    DomainEvent.objects.filter(pk=event.pk).update(message=full.rejected)
    assert event.order is not None

    page = text_of(as_("admin").get(f"/messages/in/{full.rejected.public_id}/"))

    assert f'Order placed: <a href="/orders/{event.order.public_id}/">' in page


def test_message_is_checked_against_the_standard_on_demand(full: Department, as_: As) -> None:
    client = as_("admin")
    address = f"/messages/in/{full.rejected.public_id}/"

    assert "Against the standard" not in text_of(client.get(address))
    assert "Against the standard" in text_of(client.get(f"{address}?check=yes"))


def test_two_messages_are_compared_by_field(full: Department, as_: As) -> None:
    ways = {
        "a": f"in:{full.rejected.public_id}",
        "b": "OUT0001",
    }
    Delivery.objects.filter(pk=full.delivery.pk).update(
        payload=ORM.replace(b"Petr", b"Pavel").replace(b"MSG001", b"OUT0001")
    )

    page = text_of(as_("admin").get(f"/messages/compare/?{urlencode(ways)}"))

    table = page[page.index("Fields that differ") : page.index("</table>")]
    assert ">PID-5.2<" in table
    assert ">Patient name: Given name<" in table
    assert "Pavel" in table
    assert ">PID-5.1<" not in table
    assert ">MSH-10<" not in table
    assert "as in any two messages: MSH-10" in page


def test_an_unknown_control_id_is_told_beside_the_form_which_keeps_what_was_typed(
    full: Department, as_: As
) -> None:
    found = as_("admin").get("/messages/compare/?a=NOPE&b=OUT0001")

    page = text_of(found)
    assert found.status_code == 404
    assert "No message has the control id NOPE." in page
    assert 'name="a" dir="auto" value="NOPE"' in page
    assert 'name="b" dir="auto" value="OUT0001"' in page


def test_what_is_compared_is_named_as_people_know_it(full: Department, as_: As) -> None:
    ways = {"a": f"in:{full.rejected.public_id}", "b": f"out:{full.delivery.public_id}"}

    page = text_of(as_("admin").get(f"/messages/compare/?{urlencode(ways)}"))

    assert f'name="a" dir="auto" value="{full.rejected.key}"' in page
    assert 'name="b" dir="auto" value="OUT0001"' in page


def test_an_answer_that_refuses_says_what_to_do_about_it(full: Department, as_: As) -> None:
    rows = InboundMessage.objects.filter(pk=full.rejected.pk)
    rows.update(message_type="ORR^O02")
    address = f"/messages/in/{full.rejected.public_id}/"

    assert "This answers what was sent from here." in text_of(as_("admin").get(address))

    rows.update(resolved_at=timezone.now(), resolved_note="they were called")
    page = text_of(as_("admin").get(address))
    assert "they were called" in page
    assert "This answers what was sent from here." not in page


def test_looking_at_two_messages_is_audited_for_both(full: Department, as_: As) -> None:
    AuditEvent.objects.all().delete()

    as_("admin").get(f"/messages/compare/?a=in:{full.rejected.public_id}&b=OUT0001")

    assert AuditEvent.objects.filter(action="ViewMessage").count() == 2


# --- filters

IN = {
    "type=ORM": True,
    "type=ADT": False,
    "outcome=AE": True,
    "outcome=AA": False,
    "contains=Vavra": True,
    "contains=Nobody": False,
    "order={accession}": True,
    "order=PL-none": False,
    "patient=MRN001": True,
    "patient=MRN002": False,
    "since=2026-03-02": True,
    "since=2026-03-03": False,
    "until=2026-03-02": True,
    "until=2026-03-02T11:00": False,
    "endpoint=-": True,
    "q=EHR^HOSP": True,
}
OUT = {
    "q=OUT0001": True,
    "q=OUT0002": False,
    "type=ORU": True,
    "patient=MRN011": True,
    "patient=MRN001": False,
    "contains=Vavra": True,
    "state=open": True,
    "state=DELIVERED": False,
}


def test_messages_in_are_filtered(full: Department, as_: As) -> None:
    client, accession = as_("admin"), full.waiting.accession_number
    line = f"/messages/in/{full.rejected.public_id}/"

    shown = {
        query: line in text_of(client.get(f"/messages/?{query.format(accession=accession)}"))
        for query in IN
    }

    assert shown == IN


def test_messages_out_are_filtered(full: Department, as_: As) -> None:
    client = as_("admin")
    line = f"/messages/out/{full.delivery.public_id}/"

    shown = {query: line in text_of(client.get(f"/messages/?way=out&{query}")) for query in OUT}

    assert shown == OUT


def test_number_is_found_however_long_ago(full: Department, as_: As) -> None:
    long_ago = timezone.now() - timedelta(days=400)
    InboundMessage.objects.filter(pk=full.rejected.pk).update(received_at=long_ago)
    client = as_("admin")

    by_number = text_of(client.get("/messages/?q=MSG001"))
    by_type = text_of(client.get("/messages/?type=ORM"))

    assert f"/messages/in/{full.rejected.public_id}/" in by_number
    assert f"/messages/in/{full.rejected.public_id}/" not in by_type
    assert "“From” looks further back" in by_type


def test_time_that_is_none_is_refused(full: Department, as_: As) -> None:
    response = as_("admin").get("/messages/?since=yesterday")

    assert response.status_code == 422


def test_pages_of_the_list_go_on_by_key(full: Department, as_: As) -> None:
    at = timezone.now()
    InboundMessage.objects.bulk_create(
        [
            InboundMessage(
                protocol="hl7",
                key=f"K{number:03}",
                digest=str(number),
                raw=b"MSH|",
                state="APPLIED",
                received_at=at - timedelta(seconds=number // 3),
            )
            for number in range(120)
        ]
    )
    client = as_("admin")
    address, seen = "/messages/", []

    for _ in range(5):
        page = text_of(client.get(address))
        seen += [f"K{number:03}" for number in range(120) if f">K{number:03}<" in page]
        if 'rel="next"' not in page:
            break
        link = page.rpartition('rel="next"')[2].partition('href="')[2].partition('"')[0]
        address = f"/messages/{link.replace('&amp;', '&')}"

    assert len(seen) == len(set(seen)) == 120


# --- runs


def test_run_is_counted_first_then_started(full: Department, as_: As) -> None:
    tied(full)
    client = as_("admin")
    address = "/messages/runs/new/?state=open"
    page = text_of(client.get(address))
    counted = MessageRun.objects.count()

    response = client.post(
        address, {"reason": "Catalog was mended", "per_minute": "60", "expected": "1"}
    )

    run = MessageRun.objects.get()
    assert "<strong>1</strong> that were refused or failed" in page
    assert counted == 0
    assert response["Location"] == f"/messages/runs/{run.public_id}/"
    assert (run.total, run.filters, run.actor) == (1, {"state": "open"}, "admin")
    assert "0</strong> of 1" in text_of(client.get(f"/messages/runs/{run.public_id}/"))


def finished_run(client: Client) -> tuple[MessageRun, str]:
    """A run over what needs a person, carried out to its end; its page."""
    client.post(
        "/messages/runs/new/?state=open",
        {"reason": "Catalog was mended", "per_minute": "60", "expected": "1"},
    )
    message_runs.advance()
    run = MessageRun.objects.get()
    assert run.state == "FINISHED"
    return run, text_of(client.get(f"/messages/runs/{run.public_id}/"))


def hopeless(full: Department) -> None:
    """The rejected message names no patient, and nothing here can mend that."""
    tied(full)
    raw = bytes(full.rejected.raw).replace(b"MRN900^^^HOSP^MR||Vavra^Petr", b"||")
    InboundMessage.objects.filter(pk=full.rejected.pk).update(raw=raw)


def test_run_that_ends_with_refusals_warns_and_leads_to_them(full: Department, as_: As) -> None:
    hopeless(full)
    client = as_("admin")

    run, page = finished_run(client)

    assert (run.done, run.refused) == (0, 1)
    assert "1 message was refused again" in page
    assert f'href="/messages/in/{full.rejected.public_id}/"' in page
    assert 'href="/messages/?state=open"' in page
    assert "tone-warn" in page
    assert "tone-ok" not in page
    listed = text_of(client.get("/messages/runs/"))
    assert "Finished, some refused" in listed
    assert "tone-ok" not in listed


def test_run_that_ends_without_refusals_says_that_it_is_done(full: Department, as_: As) -> None:
    tied(full)
    make.definition()
    client = as_("admin")

    run, page = finished_run(client)

    assert (run.done, run.refused) == (1, 0)
    assert "refused again" not in page.replace("0 refused again", "")
    assert "tone-ok" in page


def test_run_names_of_the_refused_only_its_own(full: Department, as_: As) -> None:
    hopeless(full)
    client = as_("admin")
    run, _ = finished_run(client)
    later = InboundMessage.objects.get(pk=full.rejected.pk)
    later.pk, later.public_id, later.key = None, uuid7(), "LATER"
    later.save(force_insert=True)

    page = text_of(client.get(f"/messages/runs/{run.public_id}/"))

    assert f"/messages/in/{full.rejected.public_id}/" in page
    assert f"/messages/in/{later.public_id}/" not in page


def test_run_that_is_not_what_was_shown_is_refused(full: Department, as_: As) -> None:
    response = as_("admin").post(
        "/messages/runs/new/?state=open",
        {"reason": "Catalog was mended", "per_minute": "60", "expected": "7"},
    )

    assert response.status_code == 409
    assert "it was 7 messages when you looked, now it is 1" in text_of(response)
    assert MessageRun.objects.count() == 0


def test_run_over_everything_is_not_offered(full: Department, as_: As) -> None:
    assert as_("admin").get("/messages/runs/new/").status_code == 422


def test_parked_list_holds_both_ways_with_two_clicks_to_go_on(full: Department, as_: As) -> None:
    client = as_("admin")
    page = text_of(client.get("/messages/parked/"))

    response = client.post(
        f"/messages/out/{full.delivery.public_id}/requeue/", {"next": "/messages/parked/"}
    )

    assert f"/messages/in/{full.rejected.public_id}/replay/" in page
    assert f"/messages/out/{full.delivery.public_id}/requeue/" in page
    assert response["Location"] == "/messages/parked/"
    assert "OUT0001" not in text_of(client.get("/messages/parked/"))


def test_a_version_that_is_none_is_seen_on_the_page_of_the_message_that_was_taken(
    full: Department, as_: As
) -> None:
    row = full.rejected
    InboundMessage.objects.filter(pk=row.pk).update(
        raw=bytes(row.raw).replace(b"|2.3.1", b"|foo"), error="", error_path="", state="APPLIED"
    )
    address = f"/messages/in/{row.public_id}/"

    page = text_of(as_("admin").get(address))

    assert '<span class="mono">MSH-12</span>: foo is no version of HL7' in page
    assert "the message was read as 2.5.1" in page

    InboundMessage.objects.filter(pk=row.pk).update(
        error="this is no version of HL7", error_path="MSH-12", state="REJECTED"
    )
    assert "was read as" not in text_of(as_("admin").get(address))


def test_a_message_that_is_as_it_should_be_has_no_remark(full: Department, as_: As) -> None:
    page = text_of(as_("admin").get(f"/messages/in/{full.rejected.public_id}/"))

    assert "The sender should mend this" not in page


def test_a_line_break_that_was_taken_as_text_is_seen_on_the_page(full: Department, as_: As) -> None:
    row = full.rejected
    raw = bytes(row.raw) + b"NTE|1||first line\n and the second\r"
    InboundMessage.objects.filter(pk=row.pk).update(raw=raw)

    page = text_of(as_("admin").get(f"/messages/in/{row.public_id}/"))

    assert "line break inside of NTE" in page
