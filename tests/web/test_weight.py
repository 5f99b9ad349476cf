"""What a page weighs with all that it loads, as it is sent: small enough for a slow line."""

from __future__ import annotations

import gzip
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from django.contrib.staticfiles import finders
from django.test import Client

from tests.web.department import Department

As = Callable[[str], Client]
HEAVIEST = 300_000
LOADED = re.compile(r'(?:href|src)="/static/([^"?]+\.(?:css|js|svg))[?"]')


@cache
def sent(name: str) -> int:
    """The bytes of a file that the page loads, compressed as the server does."""
    found = finders.find(name)
    assert found, name
    return len(gzip.compress(Path(str(found)).read_bytes()))


@pytest.mark.parametrize(
    "path",
    ["/", "/orders/", "/board/", "/board/?view=table", "/arrivals/", "/room/CT1/",
     "/reading/", "/exceptions/", "/messages/", "/analytics/", "/catalog/", "/dose/", "/audit/"],
)  # fmt: skip
def test_page_and_what_it_loads_stay_light(full: Department, as_: As, path: str) -> None:
    answer = as_("admin").get(path)

    page = answer.content
    loaded = set(LOADED.findall(page.decode()))
    assert answer.status_code == 200
    assert "ris/ris.css" in loaded
    assert len(gzip.compress(page)) + sum(map(sent, loaded)) < HEAVIEST
