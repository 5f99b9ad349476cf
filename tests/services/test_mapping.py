"""Mappings are saved as versions, and going back is a new one."""

from __future__ import annotations

from typing import Any

import pytest

from ris.domain.configuration import plan
from ris.domain.configuration_file import parse, render
from ris.domain.errors import (
    DeniedError,
    InvalidValueError,
    SeveralErrors,
    StateConflictError,
    UnknownKeyError,
    UnsupportedError,
)
from ris.domain.exchange import Direction, Protocol
from ris.domain.mapping import RollBackMapping, SaveMapping, differences, normal
from ris.models import DomainEvent, Endpoint, MappingVersion
from ris.selectors import configuration
from ris.selectors.mapping import in_force, mapped_endpoint, versions
from ris.services import configuration as configuring
from ris.services import execute
from tests import make, people
from tests.services.test_configure import apply

pytestmark = pytest.mark.django_db

SEX = {"maps": {"sex": {"otherwise": "refuse", "values": {"W": "F"}}}}
RULES = {"rules": ["# theirs", "drop ZZZ"]}


@pytest.fixture
def endpoint() -> str:
    return make.endpoint("HIS", direction=Direction.IN, protocol_name="HIS^GENERAL")


def save(endpoint: str, content: dict[str, Any], **more: Any) -> int:
    command = SaveMapping(endpoint=endpoint, content=content, **more)
    return execute(command, actor=people.admin)


def test_each_change_is_a_version_with_its_author(endpoint: str) -> None:
    assert save(endpoint, SEX, note="women") == 1
    assert save(endpoint, RULES) == 2

    shown = versions(endpoint)
    assert [(each.number, each.note, each.actor, each.in_force) for each in shown] == [
        (2, "", people.admin.display or people.admin.name, True),
        (1, "women", people.admin.display or people.admin.name, False),
    ]
    assert mapped_endpoint(endpoint).content == RULES
    saved = DomainEvent.objects.filter(name="MappingSaved").last()
    assert saved is not None
    assert saved.payload["previous"] == 1


def test_what_changes_nothing_is_no_version(endpoint: str) -> None:
    save(endpoint, SEX)

    assert save(endpoint, SEX) == 1
    assert MappingVersion.objects.count() == 1


def test_going_back_is_a_version_of_its_own(endpoint: str) -> None:
    save(endpoint, SEX)
    save(endpoint, {})

    number = execute(RollBackMapping(endpoint=endpoint, number=1), actor=people.admin)

    assert number == 3
    assert in_force(endpoint, 3) == (Direction.IN, SEX)
    assert versions(endpoint)[0].note == "as version 1 again"


def test_two_people_do_not_overwrite_each_other(endpoint: str) -> None:
    save(endpoint, SEX, expected=0)

    with pytest.raises(StateConflictError):
        save(endpoint, RULES, expected=0)
    assert mapped_endpoint(endpoint).content == SEX


def test_what_is_wrong_is_told_by_row_and_nothing_is_stored(endpoint: str) -> None:
    content = {**SEX, "rules": ["drop ZZZ", "nonsense", "PID-8 = "]}

    with pytest.raises(SeveralErrors) as raised:
        save(endpoint, content)

    assert [error.path for error in raised.value.errors] == ["rules[2]", "rules[3]"]
    assert Endpoint.objects.get().mapping_version == 0
    assert not MappingVersion.objects.exists()


def test_only_administrators_map(endpoint: str) -> None:
    with pytest.raises(DeniedError):
        execute(SaveMapping(endpoint=endpoint, content=SEX), actor=people.scheduler)


def test_other_protocols_are_not_mapped() -> None:
    fhir = make.endpoint("APP", protocol=Protocol.FHIR, direction=Direction.IN)

    with pytest.raises(UnsupportedError):
        save(fhir, SEX)


def test_a_version_that_never_was_is_refused(endpoint: str) -> None:
    with pytest.raises(UnknownKeyError):
        execute(RollBackMapping(endpoint=endpoint, number=7), actor=people.admin)


# --- the site file

SITE = """\
[[endpoint]]
name = "HIS"
protocol = "hl7"
direction = "in"
protocol_name = "HIS^GENERAL"

[endpoint.mapping]
rules = [
  "# their account number",
  'move PV1-50 to PV1-19 if PV1-19 empty',
]

[endpoint.mapping.maps.sex]
values = { W = "F", "Ö" = "U" }
"""


def test_a_site_file_sets_a_mapping_and_its_export_reads_back() -> None:
    apply(SITE)

    stored = Endpoint.objects.get()
    assert stored.mapping_version == 1
    exported = render(configuration.stored())
    assert '  "move PV1-50 to PV1-19 if PV1-19 empty",' in exported
    assert not plan(parse(exported), configuration.stored())
    assert not plan(parse(SITE), configuration.stored())


def test_the_difference_is_shown_row_by_row() -> None:
    apply(SITE)
    changed = SITE.replace('W = "F"', 'W = "O"').replace("their account", "the account")

    (change,) = plan(parse(changed), configuration.stored()).changes

    assert change.lines() == [
        "endpoint hl7 in HIS: changed",
        "  mapping ~ sex: W = O (was F)",
        "  mapping - rule # their account number",
        "  mapping + rule # the account number",
    ]


def test_a_file_with_a_wrong_row_is_refused_before_anything_is_changed() -> None:
    wrong = SITE.replace('W = "F"', 'W = "Q"')

    with pytest.raises(InvalidValueError) as raised:
        configuring.check(plan(parse(wrong), configuration.stored()))

    assert raised.value.message == (
        "endpoint hl7 in HIS: maps.sex[W]: Q is none of A, D, F, M, N, O, U, X"
    )
    with pytest.raises(InvalidValueError):
        apply(wrong)
    assert not Endpoint.objects.exists()


def test_a_file_that_names_no_mapping_leaves_it() -> None:
    apply(SITE)
    apply(SITE[: SITE.index("[endpoint.mapping]")] + "version = '2.5.1'\n")

    stored = Endpoint.objects.get()
    assert (stored.version, stored.mapping_version) == ("2.5.1", 1)


def test_taking_the_mapping_out_is_a_change_too() -> None:
    apply(SITE)
    apply(SITE[: SITE.index("[endpoint.mapping]")] + "mapping = {}\n")

    stored = Endpoint.objects.get()
    assert stored.mapping_version == 2
    assert mapped_endpoint(str(stored.public_id)).content == {}


def test_differences_are_none_between_equals() -> None:
    assert differences(SEX, SEX) == []
    assert differences(SEX, {"maps": {"sex": {"otherwise": "fixed", "fixed": "U"}}}) == [
        "- sex: W = F",
        "~ sex: all other codes = U (was refuse)",
    ]


def test_a_mapping_is_compared_in_its_stored_form() -> None:
    assert normal({"maps": {"sex": {"values": {"W": "F"}}, "room": {}}, "rules": ["  "]}) == {
        "maps": {"sex": {"otherwise": "pass", "values": {"W": "F"}}}
    }
