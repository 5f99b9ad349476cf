"""What an endpoint says of itself is checked when it is configured, not at its first message."""

from __future__ import annotations

import pytest

from ris.domain.errors import InvalidValueError
from ris.models import Endpoint
from tests import make

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("version", "3.0"),
        ("version", "2.6.1"),
        ("character_set", "EBCDIC"),
        ("time_zone", "Europe/Wien"),
    ],
)
def test_a_word_that_stands_for_nothing_is_refused(name: str, value: str) -> None:
    with pytest.raises(InvalidValueError) as raised:
        make.endpoint("EHR", **{name: value})

    assert raised.value.path == name
    assert not Endpoint.objects.exists()


@pytest.mark.parametrize("version", ["", "2.2", "2.3.1", "2.5.1", "2.8.2", "2.9"])
def test_every_version_is_taken_that_there_is(version: str) -> None:
    make.endpoint("EHR", version=version)
    assert Endpoint.objects.get().version == version
