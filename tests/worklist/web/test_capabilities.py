"""What the service says of itself, and what it answers where there is nothing."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from ris.domain.errors import ErrorCode
from tests.worklist.web.api import Api
from worklist.conformance import statement
from worklist.web import refusal
from worklist.web.capabilities import TRANSACTIONS, WADL, WADL_NAMESPACE

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("path", ["/dicom-web/", "/dicom-web"])
@pytest.mark.parametrize("method", ["OPTIONS", "GET"])
def test_capabilities_are_open_to_everybody(method: str, path: str) -> None:
    answer = Api().request(method, path)

    assert (answer.status, answer.headers["Content-Type"]) == (200, WADL)
    root = ElementTree.fromstring(answer.content)
    methods = [(one.get("name"), one.get("id")) for one in root.iter(f"{{{WADL_NAMESPACE}}}method")]
    assert methods == [(one.method, one.id) for one in TRANSACTIONS]
    resources = next(root.iter(f"{{{WADL_NAMESPACE}}}resources"))
    assert resources.get("base") == "http://testserver/dicom-web/"


def test_capabilities_in_json_are_for_people() -> None:
    answer = Api().request("GET", "/dicom-web/", Accept="application/json")

    assert answer.headers["Content-Type"] == "application/json; charset=utf-8"
    assert [one["url"] for one in answer.body["transactions"]] == [
        f"http://testserver/dicom-web/{one.path}" for one in TRANSACTIONS
    ]
    assert "PatientName" in answer.body["matching"]
    assert "ScheduledProcedureStepSequence.Modality" in answer.body["matching"]


@pytest.mark.parametrize("path", ["studies", "workitems", "modality-performed-procedure-steps"])
def test_what_is_not_served_is_not_found(path: str) -> None:
    answer = Api().request("GET", f"/dicom-web/{path}")

    assert answer.status == 404
    assert answer.body["message"] == (
        "there is nothing at this address; OPTIONS http://testserver/dicom-web/ tells what there is"
    )


def test_every_error_has_a_status() -> None:
    assert set(refusal.STATUS) == set(ErrorCode)


def test_the_conformance_statement_names_every_transaction_and_status() -> None:
    text = statement()

    for one in TRANSACTIONS:
        assert f"| {one.id} | `{one.method} /{one.path}` | {one.clause} |" in text
        for status, words in one.statuses.items():
            assert f"| {status} | {words} |" in text
