"""What HL7 and DICOM did is seen over FHIR in the very next request: no cache, no waiting."""

from __future__ import annotations

import json
import urllib.request
from datetime import UTC, datetime, timedelta
from typing import Any

import hl7.client
import pytest

from ris.domain.identifiers import new_uid
from tests.pages import Person
from tests.running import Running
from worklist.modality import Modality, begun, ended, query

pytestmark = [pytest.mark.wire, pytest.mark.timeout(120)]

NUMBER, UID = "PL55001", "1.2.276.0.7230010.3.55.1"


def orm(control: str, order_control: str, at: datetime) -> str:
    when = f"{at:%Y%m%d%H%M%S}"
    return "\r".join(
        [
            f"MSH|^~\\&|EHR|HOSPITAL|RIS|RAD|{when}||ORM^O01|{control}|P|2.3.1||||||UNICODE UTF-8",
            "PID|1||J55001^^^HOSPITAL^MR||Kowalska^Żaneta||19811224|F",
            "PV1|1|O|||||||123^Ordonez^Olga",
            f"ORC|{order_control}|{NUMBER}^EHR|||||^^^{when}^^R|||||123^Ordonez^Olga",
            f"OBR|1|{NUMBER}^EHR||CTHEAD^CT head^L||||||||||||||||||||CT|||^^^{when}^^R",
            f"ZDS|{UID}^RIS^Application^DICOM",
            "",
        ]
    )


def fhir(ris: Running, path: str) -> dict[str, Any]:
    request = urllib.request.Request(
        f"{ris.fhir_url}/{path}", headers={"Authorization": f"Bearer {ris.token}"}
    )
    with urllib.request.urlopen(request, timeout=20) as response:
        found: dict[str, Any] = json.load(response)
    return found


def states(ris: Running, order: str) -> dict[str, list[str]]:
    found = {"ServiceRequest": [str(fhir(ris, f"ServiceRequest/{order}")["status"])]}
    for kind in ("Task", "Procedure", "DiagnosticReport"):
        bundle = fhir(ris, f"{kind}?based-on=ServiceRequest/{order}")
        found[kind] = [each["resource"]["status"] for each in bundle.get("entry", ())]
    return found


def test_each_step_is_seen_at_once(running_ris: Running) -> None:
    ris = running_ris
    at = (datetime.now(UTC) + timedelta(days=40)).replace(hour=9, minute=40, second=0)
    scanner = Modality(host="127.0.0.1", port=ris.dicom_port, called=ris.ae_title)

    with hl7.client.MLLPClient("127.0.0.1", ris.mllp_port) as client:
        assert b"MSA|AA|S0001" in client.send_message(orm("S0001", "NW", at))
        (found,) = fhir(ris, f"ServiceRequest?identifier={NUMBER}")["entry"]
        request = found["resource"]
        order, kinds = request["id"], ["Task", "Procedure", "DiagnosticReport"]
        assert states(ris, order) == {
            "ServiceRequest": ["active"], "Task": ["accepted"], "Procedure": [],
            "DiagnosticReport": [],
        }  # fmt: skip
        client.send_message(orm("S0002", "HD", at))
        assert states(ris, order)["Task"] == ["on-hold"]
        client.send_message(orm("S0003", "RL", at))
        assert states(ris, order)["Task"] == ["accepted"]

    accession = next(
        each["value"]
        for each in request["identifier"]
        if each.get("type", {}).get("coding", [{}])[0].get("code") == "ACSN"
    )
    (entry,) = scanner.find(query(AccessionNumber=accession)).identifiers

    performed = new_uid()
    scanner.create(begun(entry, station="CT1", at=datetime.now(UTC)), performed)
    seen = states(ris, order)
    assert [seen[kind] for kind in kinds] == [["in-progress"], ["in-progress"], ["registered"]]

    scanner.set(ended(entry, at=datetime.now(UTC)), performed)
    seen = states(ris, order)
    assert [seen[kind] for kind in kinds] == [["completed"], ["completed"], ["registered"]]
    (found,) = fhir(ris, f"ImagingStudy?basedon=ServiceRequest/{order}")["entry"]
    assert f"urn:oid:{UID}" in [each["value"] for each in found["resource"]["identifier"]]
    assert found["resource"]["status"] == "available"

    radiologist = Person(ris.http_port)
    radiologist.log_in("radiologist")
    report = radiologist.submit(radiologist.get(f"/search/?q={accession}"), "/reading/open/")
    signed = radiologist.submit(
        report, "/sign/", button=("as", "final"), findings="No bleeding.", impression="Normal."
    )
    assert signed.status == 200
    seen = states(ris, order)
    assert (seen["ServiceRequest"], seen["DiagnosticReport"]) == (["completed"], ["final"])
    (found,) = fhir(ris, f"DiagnosticReport?based-on=ServiceRequest/{order}")["entry"]
    forms = {each["contentType"] for each in found["resource"]["presentedForm"]}
    assert forms == {"text/html", "application/pdf", "text/plain; charset=utf-8"}
    assert found["resource"]["conclusion"] == "Normal."
