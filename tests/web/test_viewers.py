"""The images of an exam, in the viewers of the site."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

import pytest
from django.test import Client

from ris.models import AuditEvent, Order
from ris.selectors.viewers import filled, viewers
from tests import make

As = Callable[[str], Client]
VALUES = {"study": "2.25.1", "accession": "A26/1", "patient": "4711"}


@pytest.mark.parametrize(
    ("template", "address"),
    [
        (  # OHIF, configuration "URL parameters"
            "https://ohif.example/viewer?StudyInstanceUIDs={study}",
            "https://ohif.example/viewer?StudyInstanceUIDs=2.25.1",
        ),
        (  # Stone Web viewer of Orthanc
            "https://pacs.example/stone-webviewer/index.html?study={study}",
            "https://pacs.example/stone-webviewer/index.html?study=2.25.1",
        ),
        (  # IHE Invoke Image Display, RAD-106
            (
                "https://pacs.example/IHEInvokeImageDisplay?requestType=STUDY&studyUID={study}"
                "&accessionNumber={accession}"
            ),
            (
                "https://pacs.example/IHEInvokeImageDisplay?requestType=STUDY&studyUID=2.25.1"
                "&accessionNumber=A26%2F1"
            ),
        ),
        (  # Weasis, as its manual writes the command
            'weasis://$dicom:rs --url "https://pacs.example/dicom-web" -r "studyUID={study}"',
            (
                "weasis://%24dicom%3Ars%20--url%20%22https%3A%2F%2Fpacs.example%2Fdicom-web%22%20-r"
                "%20%22studyUID%3D2.25.1%22"
            ),
        ),
        (  # and as an address bar shows it
            "weasis://%24dicom%3Ars%20-r%20%22studyUID%3D{study}%22",
            "weasis://%24dicom%3Ars%20-r%20%22studyUID%3D2.25.1%22",
        ),
    ],
)
def test_each_viewer_is_called_in_its_documented_form(template: str, address: str) -> None:
    assert filled(template, VALUES) == address


def test_a_value_is_never_a_placeholder_or_another_parameter() -> None:
    values = {**VALUES, "accession": "{patient}&studyUID=2.25.9#"}

    address = filled("https://v.example/?acc={accession}&id={patient}", values)

    assert address == "https://v.example/?acc=%7Bpatient%7D%26studyUID%3D2.25.9%23&id=4711"


@pytest.mark.parametrize("number", ['1" --remove "x', "1 $image:open", "1;rm", "1\\", "a\nb"])
def test_a_number_does_not_become_a_command(number: str) -> None:
    command = 'weasis://$dicom:get -r "patientID={patient}"'

    assert filled(command, {**VALUES, "patient": number}) == ""
    assert unquote(filled(command, VALUES)) == 'weasis://$dicom:get -r "patientID=4711"'


def test_other_schemes_are_no_viewers(settings: Any) -> None:
    settings.VIEWER_URL = "javascript:alert(1)//{study}"
    settings.VIEWERS = {"File": "file:///{study}", "OHIF": "https://ohif.example/?u={study}"}

    assert [each.name for each in viewers()] == ["OHIF"]


def test_a_report_offers_the_viewers_and_going_there_is_audited(
    as_: As, exam: Order, settings: Any
) -> None:
    report = make.final_report(exam)
    address = f"/reports/{report.public_id}/"
    procedure = exam.procedures.get()
    images = f"/images/{procedure.public_id}/"
    without = as_("radiologist").get(address).content.decode()

    settings.VIEWER_URL = "https://viewer.example/?acc={accession}&study={study}"
    settings.VIEWERS = {"Weasis": 'weasis://$dicom:rs -r "studyUID={study}"'}
    page = as_("radiologist").get(address).content.decode()
    usual = as_("radiologist").get(images)
    weasis = as_("radiologist").get(f"{images}?viewer=Weasis")

    uid = procedure.study_instance_uid
    assert "Open images" not in without
    assert f'href="{images}"' in page
    assert f'href="{images}?viewer=Weasis"' in page
    assert usual["Location"] == f"https://viewer.example/?acc={exam.accession_number}&study={uid}"
    assert weasis["Location"] == f"weasis://%24dicom%3Ars%20-r%20%22studyUID%3D{uid}%22"
    audit = AuditEvent.objects.filter(action="OpenViewer").order_by("id")
    assert list(audit.values_list("subject", flat=True)) == [
        f"RequestedProcedure {procedure.public_id}",
        f"RequestedProcedure {procedure.public_id} in Weasis",
    ]


def test_images_that_cannot_be_shown_say_why(as_: As, exam: Order, settings: Any) -> None:
    settings.VIEWER_URL = "https://viewer.example/?study={study}"
    images = f"/images/{exam.procedures.get().public_id}/"

    unknown = as_("radiologist").get(f"{images}?viewer=Other")
    nothing = as_("radiologist").get(f"/images/{make.order().procedures.get().public_id}/")

    assert unknown.status_code == 404
    assert nothing.status_code == 409
    assert "there are no images to show yet" in nothing.content.decode()
    assert AuditEvent.objects.filter(action="OpenViewer").count() == 0
