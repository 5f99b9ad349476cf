"""What an answer shows is found when it comes back as a key (PS3.4 C.2.2.2)."""

from __future__ import annotations

from dataclasses import replace

import pytest
from pydicom.dataset import Dataset

from ris.domain.orders import ProcedureRequest
from ris.domain.values import Code, Identifier
from ris.selectors import worklist
from tests import make
from tests.worklist.entries import identifier
from tests.worklist.queries import query

pytestmark = [pytest.mark.django_db, pytest.mark.database]

LONG = "urn:oid:1.2.276.0.76.5.999"


@pytest.fixture(autouse=True)
def _steps() -> None:
    """By accession number: stored issuer, scheme of the procedure and of the protocol."""
    make.site()
    make.device()
    for number, (issuer, scheme) in enumerate(
        (("HOSP", ""), ("urn:oid:1.2.3", LONG), ("HOUSE", "99SITE"), ("1.9", "http://loinc.org"))
    ):
        step = replace(
            make.step_request(start_at=make.NOON, station_ae_title="CT1"),
            protocol_codes=(Code("P1", scheme, "Plain"),),
        )
        make.order(
            accession=Identifier(f"A{number}", issuer),
            procedures=(ProcedureRequest(code=Code("C1", scheme, "CT"), steps=(step,)),),
        )


def found(step: dict[str, object], **root: object) -> list[str]:
    asked = query(step, AccessionNumber="", **root)
    if asked is None:
        return []
    return sorted(entry.accession.value for entry in worklist.entries(asked).entries)


def code(value: str, scheme: str) -> list[Dataset]:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator = value, scheme
    return [item]


SCHEMES = [
    ("99LOCAL", ["A0", "A1"]),
    ("99*", ["A0", "A1", "A2"]),
    ("99SITE", ["A2"]),
    ("LN", ["A3"]),
    ("h*", []),
    ("u*", []),
    ("*", ["A0", "A1", "A2", "A3"]),
]


@pytest.mark.parametrize(("scheme", "numbers"), SCHEMES)
def test_a_scheme_is_found_by_the_designator_it_is_shown_with(
    scheme: str, numbers: list[str]
) -> None:
    assert found({}, RequestedProcedureCodeSequence=code("C1", scheme)) == numbers
    assert found({"ScheduledProtocolCodeSequence": code("P1", scheme)}) == numbers


@pytest.mark.parametrize(
    ("item", "numbers"),
    [
        ({"LocalNamespaceEntityID": "HO*"}, ["A0", "A2"]),
        ({"LocalNamespaceEntityID": "HOS?"}, ["A0"]),
        ({"LocalNamespaceEntityID": "*1*"}, []),
        ({"LocalNamespaceEntityID": "urn*"}, []),
        ({"UniversalEntityID": "1.*"}, ["A1", "A3"]),
        ({"UniversalEntityID": "*.3"}, ["A1"]),
        ({"UniversalEntityID": "urn*"}, []),
        ({"UniversalEntityID": "HO*"}, []),
        ({"UniversalEntityID": "*", "LocalNamespaceEntityID": "HOSP"}, ["A0"]),
    ],
)
def test_an_issuer_is_found_by_wildcards_in_the_form_it_is_shown_in(
    item: dict[str, str], numbers: list[str]
) -> None:
    assert found({}, IssuerOfAccessionNumberSequence=[identifier(**item)]) == numbers
