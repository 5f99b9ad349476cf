"""The editor at the page: templates, fields, macros, text from the exam."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from ris.domain.errors import StateConflictError
from ris.domain.mrrt_reading import read
from ris.domain.orders import OrderReference
from ris.domain.report_templates import Part, SaveMacro, TemplateContent
from ris.domain.results import FileResult, ResultLevel, ResultReference
from ris.models import Order, Report, ReportTemplate, Site
from ris.services import execute
from tests import people
from tests.domain.mrrt_defects import FILES, defective
from tests.report_templates import template
from tests.web.department import opened

As = Callable[[str], Client]
PLAIN = Part(section="findings", text="Chest: normal.")
BUDGETS = json.loads((Path(__file__).parent.parent / "budgets.json").read_text())


def texts(page: str) -> dict[str, str]:
    """What stands in the sections of the editor."""
    found = re.findall(r'<textarea[^>]*id="section-(\w+)"[^>]*>(.*?)</textarea>', page, re.S)
    return dict(found)


def test_fitting_template_is_offered_and_keeps_what_was_typed(reader: Client, exam: Order) -> None:
    key = template()
    report = opened(reader, exam)
    address = f"/reports/{report.public_id}/"

    offered = reader.get(address).content.decode()
    reader.post(
        f"{address}template/",
        {"template": key, "revision": "0", "indication": "headache", "findings": "Typed."},
    )

    page = reader.get(address).content.decode()
    assert "Begin with: CT head" in offered
    assert texts(page)["findings"] == "Typed."
    assert texts(page)["indication"].startswith("headache. ")
    assert "Template: CT head, version 1" in page
    assert "Sex: female (from: patient record)" in page
    assert 'name="answer:Nodule"' not in page  # its section keeps its own text


def test_answers_without_script_go_into_the_text(reader: Client, exam: Order) -> None:
    key = template()
    report = opened(reader, exam)
    address = f"/reports/{report.public_id}/"
    reader.post(f"{address}template/", {"template": key, "revision": "0", "findings": ""})
    report.refresh_from_db()

    page = reader.get(address).content.decode()
    reader.post(
        f"{address}draft/",
        {
            **report.draft,
            "answer:Nodule": "present",
            "answer:Size": "9",
            "revision": str(report.draft_revision),
        },
    )

    report.refresh_from_db()
    assert 'name="answer:Nodule"' in page
    assert report.draft["findings"] == "Nodule: present. Size: 9 mm\nOther: nothing else"


def test_refused_signature_leads_to_the_field(reader: Client, exam: Order) -> None:
    key = template()
    report = opened(reader, exam)
    address = f"/reports/{report.public_id}/"
    reader.post(f"{address}template/", {"template": key, "revision": "0"})
    report.refresh_from_db()

    response = reader.post(
        f"{address}sign/",
        {
            "technique": "CT.",
            "findings": "Free text.",
            "as": "final",
            "revision": str(report.draft_revision),
        },
    )

    page = response.content.decode()
    report.refresh_from_db()
    assert response.status_code == 422
    assert "Nodule in Findings has to be answered before this is signed" in page
    assert re.search(r'<select[^>]*name="answer:Nodule"[^>]*data-focus', page)
    assert report.status == "DRAFT"


def test_refused_signature_keeps_what_was_answered(reader: Client, exam: Order) -> None:
    key = template()
    report = opened(reader, exam)
    address = f"/reports/{report.public_id}/"
    reader.post(f"{address}template/", {"template": key, "revision": "0", "findings": ""})
    report.refresh_from_db()
    form = {**report.draft, "as": "final", "revision": str(report.draft_revision)}

    refused = reader.post(f"{address}sign/", {**form, "answer:Size": "9"})

    assert refused.status_code == 422
    assert re.search(r'name="answer:Size" value="9"', refused.content.decode())


def test_reworded_answer_says_that_its_code_is_lost_and_is_taken_again(
    reader: Client, exam: Order
) -> None:
    key = template()
    report = opened(reader, exam)
    address = f"/reports/{report.public_id}/"
    reader.post(f"{address}template/", {"template": key, "revision": "0", "findings": ""})
    report.refresh_from_db()
    filled = {name: re.sub(r"\[\w+\]", "none", text) for name, text in report.draft.items()}
    reworded = {**filled, "findings": "Nodule seen.", "answer:Nodule": "present"}

    def send(part: str, **more: str) -> Any:
        report.refresh_from_db()
        form = {**reworded, "revision": str(report.draft_revision), **more}
        return reader.post(address + part, form, headers={"HX-Request": "true"})

    saved = send("draft/").content.decode()
    page = reader.get(address).content.decode()
    refused = send("sign/", **{"as": "final"})
    send("again/", again="Nodule")
    report.refresh_from_db()

    lost = 'name="without_codes" value="Nodule"'
    assert lost in saved
    assert 'hx-swap-oob="outerMorph"' in saved
    assert lost in page
    assert (refused.status_code, lost in refused.content.decode()) == (422, True)
    assert report.draft["findings"] == "Nodule seen.\nNodule: present"
    assert lost not in reader.get(address).content.decode()


@pytest.mark.parametrize(
    ("part", "more"),
    [
        ("template/", {}),
        ("fill/", {}),
        ("template/drop/?lose=Size", {}),
        ("again/", {"again": "Nodule"}),
    ],
)
def test_what_was_answered_last_goes_along_with_every_button_of_the_editor(
    reader: Client, exam: Order, part: str, more: dict[str, str]
) -> None:
    key = template()
    report = opened(reader, exam)
    address = f"/reports/{report.public_id}/"
    reader.post(f"{address}template/", {"template": key, "revision": "0", "findings": ""})
    report.refresh_from_db()
    shown = {**report.draft, "revision": str(report.draft_revision)}

    reader.post(address + part, {**shown, "answer:Size": "9", "template": key, **more})

    report.refresh_from_db()
    assert "Size: 9 mm" in report.draft["findings"]
    if part in {"fill/", "again/"}:  # the template that asked is still the draft's
        assert report.form["answers"]["Size"] == "9"


def test_another_template_asks_first_which_codes_may_be_lost(reader: Client, exam: Order) -> None:
    report = opened(reader, exam)
    address = f"/reports/{report.public_id}/"
    reader.post(f"{address}template/", {"template": template(), "revision": "0", "findings": ""})
    other = template(name="Plain", content=TemplateContent(parts=(PLAIN,)))
    report.refresh_from_db()
    said = {**report.draft, "impression": "Typed.", "revision": str(report.draft_revision)}

    page = reader.post(
        f"{address}template/", {**said, "template": other, "answer:Size": "9"}
    ).content.decode()
    go_on = unescape(re.search(r'formaction="([^"]*lose=[^"]*)"', page)[1])
    report.refresh_from_db()
    kept = report.form["name"]
    reader.post(go_on, {**said, "answer:Size": "9"})

    report.refresh_from_db()
    assert "Size: <bdi>9 mm</bdi>" in page
    assert ">Typed.</textarea>" in page
    assert go_on == f"{address}template/?lose=Size&template={other}"
    assert kept == "CT head"
    assert report.form["name"] == "Plain"
    assert report.draft["findings"] == "Nodule: [Nodule]. Size: 9 mm\nOther: nothing else"


def test_macro_and_dose_without_script(reader: Client, exam: Order) -> None:
    execute(SaveMacro(name="nl", text="Lungs are clear.", own=False), actor=people.radiologist)
    report = opened(reader, exam)
    address = f"/reports/{report.public_id}/"

    listed = reader.get("/reports/macros/").json()
    reader.post(f"{address}insert/", {"findings": "Heart normal.", "macro": ".NL", "revision": "0"})
    none = reader.post(f"{address}insert/", {"insert": "dose", "revision": "1"})
    value = reader.get(f"{address}value/?of=dose")

    report.refresh_from_db()
    assert listed == {"macros": [{"name": "nl", "text": "Lungs are clear."}]}
    assert report.draft["findings"] == "Heart normal.\nLungs are clear."
    assert none.status_code == 422
    assert value.status_code == 204


def test_macros_and_values_are_for_those_who_write(as_: As, reader: Client, exam: Order) -> None:
    report = opened(reader, exam)
    technologist = as_("technologist")

    assert technologist.get("/reports/macros/").status_code == 403
    assert technologist.get(f"/reports/{report.public_id}/value/?of=dose").status_code == 403
    assert technologist.get("/report-templates/").status_code == 403


# --- the pages of templates


def test_template_is_written_at_the_page_and_comes_back_with_its_fields(
    reader: Client, rooms: None
) -> None:
    form = {
        "name": "CT liver",
        "language": "en",
        "modalities": "ct",
        "regions": "",
        "findings": "Liver: [Size]. Side: [Side].",
    }

    asked = reader.post("/report-templates/new/", {**form, "step": "fields"})
    done = reader.post(
        "/report-templates/new/",
        {
            **form,
            "field-0-name": "Size",
            "field-0-kind": "NUMBER",
            "field-0-unit": "mm",
            "field-0-minimum": "1",
            "field-0-maximum": "300",
            "field-1-name": "Side",
            "field-1-kind": "CHOICE",
            "field-1-required": "on",
            "field-1-choices": "left = RID5824 | RADLEX | Left\nright",
        },
    )
    page = reader.get(done["Location"]).content.decode()

    assert re.findall(r'name="field-\d+-name" value="(\w+)"', asked.content.decode()) == [
        "Size",
        "Side",
    ]
    row = ReportTemplate.objects.get()
    assert (row.name, row.modalities, row.number) == ("CT liver", ["CT"], 1)
    assert "<mark>Size</mark>" in page
    assert "RID5824 | RADLEX | Left" in page


def test_text_of_a_template_is_never_markup(reader: Client, rooms: None) -> None:
    done = reader.post(
        "/report-templates/new/",
        {"name": "Bad", "findings": "<script>alert(1)</script> [<b>x</b>] rest ["},
    )

    page = reader.get(done["Location"]).content.decode()

    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "<mark>&lt;b&gt;x&lt;/b&gt;</mark> rest [" in page


def test_refused_template_keeps_what_was_typed(reader: Client, rooms: None) -> None:
    response = reader.post(
        "/report-templates/new/",
        {
            "name": "CT liver",
            "findings": "[Size]",
            "field-0-name": "Size",
            "field-0-kind": "CHOICE",
        },
    )

    page = response.content.decode()
    assert response.status_code == 422
    assert "Size: say what can be chosen" in page
    assert ">[Size]</textarea>" in page
    assert not ReportTemplate.objects.exists()


def test_macro_is_saved_changed_and_deleted_at_its_page(reader: Client, rooms: None) -> None:
    address = "/report-templates/macros/"
    reader.post(address, {"name": "nl", "text": "Lungs are clear.", "own": "on"})
    first = reader.get(address).content.decode()
    key = re.search(r'name="macro" value="([^"]+)"', first)
    assert key is not None

    reader.post(address, {"macro": key[1], "name": "nl", "text": "Clear lungs, [left|right]."})
    second = reader.get(address).content.decode()
    reader.post(f"{address}{key[1]}/delete/")

    assert "Lungs are clear." in first
    assert "<mark>left|right</mark>" in second
    assert "No macros yet" in reader.get(address).content.decode()


# --- MRRT files


def uploaded(client: Client, content: bytes, **said: str) -> Any:
    file = SimpleUploadedFile("template.html", content)
    return client.post("/report-templates/import/", {"file": file, **said})


def test_mrrt_file_becomes_a_template_and_goes_out_again(reader: Client, rooms: None) -> None:
    done = uploaded(reader, (FILES / "good" / "ct_liver.html").read_bytes())

    out = reader.get(f"{done['Location']}mrrt/")
    row = ReportTemplate.objects.get()
    assert (row.name, row.modalities, row.language) == ("CT liver", ["CT"], "en")
    assert out["Content-Disposition"] == 'attachment; filename="CT liver.html"'
    assert read(out.content).faults == ()


def test_template_made_here_goes_out_as_the_institutions(reader: Client, rooms: None) -> None:
    Site.objects.update(institution="Hospital on the Hill")
    template(name="Chest")

    row = ReportTemplate.objects.get(name="Chest")
    out = read(reader.get(f"/report-templates/{row.public_id}/mrrt/").content)

    assert out.content is not None
    assert out.content.about["publisher"] == "Hospital on the Hill"
    assert out.content.about["creator"] == "Hospital on the Hill"
    assert [note.text for note in out.notes] == [
        "dcterms.license is missing",
        "dcterms.rights is missing",
    ]


def test_mrrt_file_whose_name_is_taken_becomes_its_next_version_if_asked(
    reader: Client, rooms: None
) -> None:
    liver = (FILES / "good" / "ct_liver.html").read_bytes()
    first = uploaded(reader, liver)
    ReportTemplate.objects.update(modalities=["CT", "MR"], automatic=True)

    refused = uploaded(reader, liver)
    done = uploaded(reader, liver, name="ct  LIVER", as_next="on")

    row = ReportTemplate.objects.get()
    assert refused.status_code == 409
    assert "As the next version, if there is a template of this name" in refused.content.decode()
    assert done["Location"] == first["Location"]
    assert (row.name, row.number, row.modalities, row.automatic) == (
        "CT liver",
        2,
        ["CT", "MR"],
        True,
    )
    assert list(row.versions.values_list("number", flat=True)) == [1, 2]


def test_mrrt_file_of_a_new_name_is_a_template_of_its_own(reader: Client, rooms: None) -> None:
    liver = (FILES / "good" / "ct_liver.html").read_bytes()
    uploaded(reader, liver, own="on")

    uploaded(reader, liver, as_next="on")  # the one of this name is somebody's own, not the site's

    assert list(ReportTemplate.objects.values_list("number", flat=True)) == [1, 1]


def test_defective_mrrt_file_shows_its_faults_with_their_lines(reader: Client, rooms: None) -> None:
    response = uploaded(reader, defective("event_handler"))

    page = response.content.decode()
    assert response.status_code == 422
    assert (
        "<td>60</td><td>the attribute onfocus of &lt;textarea&gt; would run a script</td>" in page
    )
    assert not ReportTemplate.objects.exists()


# --- text from external dictation


def dictated(exam: Order) -> FileResult:
    return FileResult(
        references=(ResultReference(order=OrderReference(public_id=str(exam.public_id))),),
        level=ResultLevel.DRAFT,
        trusted=ResultLevel.DRAFT,
        sections={"findings": "Dictated: no bleeding."},
    )


def test_dictation_from_elsewhere_is_in_the_editor_when_the_exam_is_opened(
    reader: Client, exam: Order
) -> None:
    execute(dictated(exam), actor=people.ehr)

    report = opened(reader, exam)
    page = reader.get(f"/reports/{report.public_id}/").content.decode()

    assert texts(page)["findings"] == "Dictated: no bleeding."
    assert "This draft was written elsewhere." in page


def test_template_that_came_by_itself_never_stands_in_the_way_of_dictation(
    reader: Client, exam: Order
) -> None:
    template(automatic=True)

    execute(dictated(exam), actor=people.ehr)

    report = Report.objects.get()
    assert report.draft == {"findings": "Dictated: no bleeding."}
    assert report.form is None


def test_dictation_replaces_a_template_that_nobody_wrote_on(reader: Client, exam: Order) -> None:
    template(automatic=True)
    report = opened(reader, exam)
    begun = dict(report.draft)
    reader.post(f"/reports/{report.public_id}/release/")

    execute(dictated(exam), actor=people.ehr)

    report.refresh_from_db()
    assert "Nodule: [Nodule]" in begun["findings"]
    assert report.draft == {"findings": "Dictated: no bleeding."}
    assert report.form is None


def test_dictation_waits_while_somebody_reads(reader: Client, exam: Order) -> None:
    report = opened(reader, exam)
    reader.post(
        f"/reports/{report.public_id}/draft/", {"findings": "My own words.", "revision": "0"}
    )

    with pytest.raises(StateConflictError):
        execute(dictated(exam), actor=people.ehr)

    report.refresh_from_db()
    assert report.draft == {"findings": "My own words."}


def test_pages_of_templates_ask_little(reader: Client, rooms: None) -> None:
    key = template()
    pages = {
        "page_report_templates": "/report-templates/",
        "page_report_template": f"/report-templates/{key}/",
        "page_report_template_edit": f"/report-templates/{key}/edit/",
        "page_report_macros": "/report-templates/macros/",
    }
    reader.get("/report-templates/")

    for name, address in pages.items():
        with CaptureQueriesContext(connection) as queries:
            reader.get(address)
        assert len(queries) <= BUDGETS[name], name


def test_correction_shows_which_codes_it_takes_away(reader: Client, exam: Order) -> None:
    key = template()
    report = opened(reader, exam)
    address = f"/reports/{report.public_id}/"
    reader.post(f"{address}template/", {"template": key, "revision": "0", "findings": ""})
    report.refresh_from_db()
    filled = {name: re.sub(r"\[\w+\]", "none", text) for name, text in report.draft.items()}
    filled["findings"] = "Nodule: present."
    answers = {"answer:Nodule": "present", "revision": str(report.draft_revision)}
    reader.post(f"{address}sign/", {**filled, **answers, "as": "final"})
    version = report.versions.get()

    changed = {**filled, "findings": "No nodule.", "reason": "overread", "step": "preview"}
    preview = reader.post(f"{address}correct/", changed).content.decode()

    assert [row["value"] for row in version.coded] == ["present"]
    assert "<li>Nodule: present </li>" in preview
