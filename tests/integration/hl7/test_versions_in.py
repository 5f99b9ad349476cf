"""MSH-12: versions as senders write them, and what is no version at all (table 0104, error 203)."""

from __future__ import annotations

import pytest

from integration.hl7 import schema, versions
from ris.models import InboundMessage, Order
from tests.integration.hl7.intake import answer, outcome, register
from tests.integration.hl7.messages import order, read

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("accepting")]


@pytest.mark.parametrize("version", ["foo", "V2.3", "2.x", "2,3,1", "HL7"])
def test_a_version_that_is_none_is_refused_where_the_standards_tables_count(version: str) -> None:
    register(settings={"validation": "tables"})

    assert outcome(order(version=version, key="M2")) == ("AR", ["203 MSH^1^12"])
    assert Order.objects.count() == 0


@pytest.mark.parametrize("level", ["off", "key"])
def test_a_version_that_is_none_is_taken_where_only_content_counts(level: str) -> None:
    register(settings={"validation": level})

    assert outcome(order(version="foo")) == ("AA", [])
    assert Order.objects.count() == 1


@pytest.mark.parametrize("version", ["2.3", "2.3.1", "2.5", "2.5.1^USA", "2.5.1  ", "2.9", "2.0D"])
def test_versions_as_real_senders_write_them_are_versions(version: str) -> None:
    register(settings={"validation": "tables"})

    _, faults = outcome(order(version=version))

    assert [fault for fault in faults if "MSH^1^12" in fault] == []


def test_no_version_at_all_is_a_field_that_is_missing_beside_all_others() -> None:
    register(settings={"validation": "tables"})

    assert outcome(order(version="", pv1="PV1|1")) == ("AE", ["101 MSH^1^12", "101 PV1^1^2"])


@pytest.mark.parametrize(
    ("version", "fields"),
    [("V2.3", 1), (" 2.3.1 ", 1), ("HL7 2.4", 1), ("2,3", 1), ("foo", 3), ("", 3)],
)
def test_a_refusal_has_the_form_of_the_version_that_was_meant(version: str, fields: int) -> None:
    """Before 2.5 all faults share the first field of ERR, from 2.5 on each has its own."""
    segments = answer(order(version=version, pid=""))

    assert f"|P|{version}|" in segments[0]
    err = segments[2].split("|")
    assert [bool(err[1]), bool(err[3:4])] == [fields == 1, fields == 3]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2.3.1", None),
        ("2.0D", None),
        (" 2.5 ", None),
        ("", None),
        ("foo", (2, 5, 1)),
        ("V2.3.1", (2, 3, 1)),
        ("HL7 v2.4", (2, 4)),
        ("2,3", (2, 3)),
        ("2.x", (2,)),
    ],
)
def test_what_is_no_version_says_as_what_it_is_read(
    text: str, expected: tuple[int, ...] | None
) -> None:
    assert versions.misread(text) == expected


def test_a_check_of_such_a_message_goes_on_with_the_rest_of_it() -> None:
    found = schema.check(read(order(version="foo", pv1="PV1|1")))

    assert [each.path for each in found] == ["MSH-12", "PV1-2"]


def test_the_message_keeps_why_it_was_refused() -> None:
    register(settings={"validation": "tables"})
    answer(order(version="foo"))

    kept = InboundMessage.objects.get()
    assert (kept.state, kept.outcome, kept.error_path) == ("REJECTED", "AR", "MSH-12")
