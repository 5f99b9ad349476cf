"""The Search Transaction (PS3.18 14.4) without a socket."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tests import make
from tests.worklist.web.api import Api

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def test_a_search_finds_what_is_scheduled(api: Api) -> None:
    order = make.booked(NOON)

    answer = api.search("00400100.00080060=CT&includefield=all&limit=20&offset=0")

    assert answer.status == 200, answer.content
    assert answer.datasets[0].AccessionNumber == order.accession_number
