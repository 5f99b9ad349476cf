"""Whether senders that nobody registered are heard.

What needs the product is imported inside the fixtures: this file is read before Django is set up
when its folder is named on the command line.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest


@pytest.fixture
def accepting(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As in the demo, where senders need not be registered."""
    yield from _unknown_senders(monkeypatch, "accept")


@pytest.fixture
def refusing(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As everywhere else."""
    yield from _unknown_senders(monkeypatch, "refuse")


def _unknown_senders(monkeypatch: pytest.MonkeyPatch, what: str) -> Iterator[None]:
    from ris import config

    monkeypatch.setenv("RIS_MLLP__UNKNOWN_SENDERS", what)
    config.load.cache_clear()
    yield
    config.load.cache_clear()
