"""Earlier exams and numbers of images from an archive: only of this patient, never for long."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from ris.domain.actors import Actor
from ris.domain.archives import Doubt, ImageCount, Terms, ToldStudy, doubt
from ris.domain.exchange import Protocol
from ris.domain.values import Identifier, PartialDate, PersonName
from ris.models import Order, PerformedSeries, Report, User
from ris.selectors.archives import examined
from ris.selectors.orders import order_view
from ris.services import archives
from tests import make
from tests.wire.archive import Archive
from tests.wire.reports import reader
from tests.wire.sending import QUICK
from tests.wire.web_archive import WebArchive

pytestmark = [pytest.mark.wire, pytest.mark.django_db(transaction=True)]
__all__ = ["reader"]
BORN = "19700503"
BUDGETS = json.loads((Path(__file__).parent.parent / "budgets.json").read_text())


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    archives.forget()
    yield
    archives.forget()


def asks_dimse(archive: Archive, **settings: Any) -> str:
    return make.endpoint(
        "OLD PACS",
        protocol=Protocol.DICOM,
        protocol_name=archive.ae_title,
        port=archive.port,
        version="",
        sends=(),
        settings={**QUICK, "priors": True, **settings},
    )


def asks_web(archive: WebArchive, **settings: Any) -> str:
    return make.endpoint(
        "OLD PACS",
        protocol=Protocol.DICOMWEB,
        host="",
        port=None,
        version="",
        sends=(),
        settings={"url": archive.url, "priors": True, **settings},
    )


def number() -> str:
    return str(Order.objects.get().patient.identifiers.get(primary=True).value)


def about(seconds: float = 5) -> list[Any]:
    return archives.about(examined(str(Report.objects.get().public_id)), seconds=seconds)


def prior(uid: str, **values: Any) -> dict[str, Any]:
    return {
        "SOPInstanceUID": f"{uid}.1.1",
        "SeriesInstanceUID": f"{uid}.1",
        "StudyInstanceUID": uid,
        "PatientID": number(),
        "PatientName": "Berg^Anna",
        "PatientBirthDate": BORN,
        "StudyDate": "20240110",
        "StudyDescription": "Chest two views",
        "Modality": "DX",
        **values,
    }


def test_studies_of_the_patient_come_by_c_find_and_others_do_not(reader: Actor) -> None:
    with Archive() as archive:
        archive.holds(**prior("1.2.1"))
        archive.holds(**prior("1.2.2", StudyDate="20250301", Modality="CT"))
        archive.holds(**prior("1.2.3", PatientName="Stone^Ada"))
        archive.holds(**prior("1.2.4", PatientBirthDate="19710503"))
        archive.holds(**prior("1.2.5", PatientID="another"))
        asks_dimse(archive, issuer="HOSP")

        (answer,) = about()

    assert [(each.study_instance_uid, each.modalities, each.images) for each in answer.studies] == [
        ("1.2.2", ("CT",), 1),
        ("1.2.1", ("DX",), 1),
    ]
    assert sorted(answer.withheld) == [Doubt.BIRTH_DATE, Doubt.NAME]
    assert answer.fault == ""


def test_the_images_of_the_exam_are_counted_by_series(reader: Actor) -> None:
    order = order_view(str(Order.objects.get().public_id))
    study = order.procedures[0].performed[0].study_instance_uid
    uid = PerformedSeries.objects.get().series_instance_uid
    PerformedSeries.objects.update(instance_count=3)
    own = {"StudyInstanceUID": study, "Modality": "CT"}
    with Archive() as archive:
        for each in (1, 2):
            archive.holds(**prior("9", **own, SeriesInstanceUID=uid, SOPInstanceUID=f"9.{each}"))
        archive.holds(**prior("9", **{**own, "Modality": "SR"}, SOPInstanceUID="9.9"))
        asks_dimse(archive, issuer="HOSP")

        (answer,) = about()

    assert answer.images == ImageCount(made=3, there=2)
    assert answer.studies == ()  # our own exam is no earlier one


def element(vr: str, *values: Any) -> dict[str, Any]:
    return {"vr": vr, "Value": list(values)}


def test_qido_answers_are_read_with_their_issuer(reader: Actor) -> None:
    row = {
        "0020000D": element("UI", "1.2.7"),
        "00100020": element("LO", number()),
        "00100021": element("LO", "HOSP"),
        "00100010": element("PN", {"Alphabetic": "BERG^ANNA"}),
        "00100030": element("DA", BORN),
        "00080020": element("DA", "20230704"),
        "00081030": element("LO", "MR knee"),
        "00080061": element("CS", "MR", "SR"),
        "00201208": element("IS", 120),
    }
    foreign = {**row, "0020000D": element("UI", "1.2.8"), "00100021": element("LO", "OTHER")}
    with WebArchive(rows=[row, foreign]) as archive:
        asks_web(archive)

        (answer,) = about()

    (study,) = answer.studies
    assert (study.description, study.modalities, study.images) == ("MR knee", ("MR", "SR"), 120)
    assert answer.withheld == (Doubt.NUMBER,)
    asked = next(each for each in archive.asked if "/studies?" in each)
    assert f"PatientID={number()}&IssuerOfPatientID=HOSP&includefield=0020000D," in asked


def test_a_silent_archive_keeps_nobody_waiting_and_is_not_asked_again_at_once(
    reader: Actor,
) -> None:
    with WebArchive(silent=True) as archive:
        asks_web(archive, answer_seconds=0.4)

        (early,) = about(seconds=0.05)
        (late,) = about(seconds=5)
        (again,) = about(seconds=5)
        asked = len(archive.asked)

    assert early.fault == "it has not answered yet; look again in a moment"
    assert late.fault == again.fault == "no answer: timed out"
    assert asked == 2  # the studies and the series, once each


def test_the_part_of_the_page_says_what_is_there_and_what_is_withheld(
    reader: Actor, client: Client
) -> None:
    client.force_login(User.objects.get(username="reader"))
    page = f"/reports/{Report.objects.get().public_id}/archive/"
    with Archive() as archive:
        archive.holds(**prior("1.2.1"))
        archive.holds(**prior("1.2.3", PatientName="Stone^Ada"))
        asks_dimse(archive, issuer="HOSP")

        shown = client.get(page, headers={"HX-Request": "true"}).content.decode()

    assert "Chest two views" in shown
    assert "1 exam under the same number is not shown: the name differs." in shown
    assert "Stone" not in shown


def test_the_part_asks_the_database_few_times(reader: Actor, client: Client) -> None:
    client.force_login(User.objects.get(username="reader"))
    page = f"/reports/{Report.objects.get().public_id}/archive/"
    with Archive() as archive:
        asks_dimse(archive, issuer="HOSP")
        client.get(page, headers={"HX-Request": "true"})

        with CaptureQueriesContext(connection) as asked:
            client.get(page, headers={"HX-Request": "true"})

    assert len(asked) <= BUDGETS["page_report_archive"]


TOLD = ToldStudy(
    study_instance_uid="1.2",
    number="P1",
    issuer="HOSP",
    name="Berg^Anna",
    birth_date=BORN,
    made_on="20240110",
)


@pytest.mark.parametrize(
    ("changed", "terms", "expected"),
    [
        ({}, "", Doubt.NONE),
        ({"name": "BERG^A"}, "", Doubt.NONE),
        ({"issuer": ""}, "HOSP", Doubt.NONE),
        ({"issuer": ""}, "", Doubt.NUMBER),
        ({"issuer": "OTHER"}, "HOSP", Doubt.NUMBER),
        ({"number": "P2"}, "", Doubt.NUMBER),
        ({"birth_date": "19700504"}, "", Doubt.BIRTH_DATE),
        ({"birth_date": "", "name": "Berg^Anna"}, "", Doubt.NONE),
        ({"birth_date": "", "name": "Berg^Eva"}, "", Doubt.NAME),
        ({"name": "Stone^Anna"}, "", Doubt.NAME),
        ({"name": ""}, "", Doubt.NAME),
        ({"name": "a=b=c=d"}, "", Doubt.NAME),
    ],
)
def test_a_number_alone_makes_nobody_the_same_person(
    changed: dict[str, str], terms: str, expected: Doubt
) -> None:
    told = replace(TOLD, **changed)

    found = doubt(
        told,
        [Identifier("P1", "HOSP", "MR")],
        PersonName.of("Berg", "Anna"),
        PartialDate("1970-05-03"),
        Terms(issuer=terms),
    )

    assert found is expected
