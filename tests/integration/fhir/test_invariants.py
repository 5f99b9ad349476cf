"""The invariants of R4: for each, what keeps it and what breaks it."""

from __future__ import annotations

from typing import Any

import pytest

from integration.fhir import structure
from integration.fhir.invariants import INVARIANTS
from tests.integration.fhir import invariants_of_resources, invariants_of_types

PAIRS = {**invariants_of_types.PAIRS, **invariants_of_resources.PAIRS}


def broken(found: dict[str, Any]) -> list[str]:
    """The keys of the invariants a resource breaks."""
    faults = structure.faults(found["resourceType"], found)
    return [fault.message.partition(":")[0] for fault in faults]


@pytest.mark.parametrize("key", PAIRS)
def test_what_keeps_an_invariant_passes_and_what_breaks_it_is_refused(key: str) -> None:
    for good, bad in PAIRS[key]:
        assert broken(good) == []
        assert broken(bad) == [key]


def test_every_invariant_has_its_pair() -> None:
    known = {invariant.key for rows in INVARIANTS.values() for invariant in rows}

    assert known <= PAIRS.keys()
    assert len(PAIRS) >= 60
