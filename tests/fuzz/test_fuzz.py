"""A smoke run of the fuzzer, and every input that once was a fault."""

from __future__ import annotations

import warnings
from itertools import islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.run import Budget, feed, one
from tests.fuzz.seeds import SEEDS
from tests.fuzz.targets import TARGETS

# On a machine that does other things too; `make fuzz` holds each input to the real budget.
PATIENT = 1.0


@pytest.mark.parametrize("name", TARGETS)
def test_mutated_messages_end_in_an_answer_or_a_refusal(name: str) -> None:
    results = set(islice(feed(name, SEEDS[name](), 1, Budget(PATIENT)), 1_500))

    assert len(results) > 1  # both what is taken and what is refused was reached


@pytest.mark.parametrize("name", TARGETS)
def test_proper_messages_are_taken(name: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        results = {one(TARGETS[name], raw, Budget(PATIENT)) for raw in SEEDS[name]()}

    expected = {
        "identifier": {"read"},
        "performed_step": {"taken"},
        "dose_report": {"read"},
        "availability": {"read"},
        "commitment_report": {"read"},
        "command_set": {"read"},
        "association_request": {"agreed"},
        "stream": {"ended by 4", "ended by 6"},
        "hl7_frames": {"answered"},
        "hl7_message": {"read", "read, with faults"},
        "hl7_order": {"translated"},
    }
    assert results == expected[name]


# Each was a fault once; the comment says which.
FOUND = (
    # (0008,1032), a sequence by the dictionary, came as UN of a defined length: kept as text of VR
    # SQ, it made every later N-GET fail.
    (
        "performed_step",
        (
            "0008003210554e00002e000000feff00e0260000000800000106000000435441424420080002010600"
            "0000393953495445080004010200000061624000520243530c00494e2050524f475245535320"
        ),
    ),
    # A field separator outside of ASCII made the look for a continuation crash.
    (
        "hl7_message",
        (
            "4d5348ac5e7e5c267c4849537c47454e4552414c7c5249537c5241447c323032397c7c4144545e41"
            "33317c41317c507c322e352e317c7c7c7c7c7c554e49434f4445205554462d380d5049447c317c7c"
            "343731310d"
        ),
    ),
    # Three encoding characters name no subcomponents, which ERR had before 2.5: no refusal of such
    # a sender could be told, and the crash over it neither.
    (
        "hl7_order",
        (
            "4d53487c5e5c267c4849537c477c5249537c5241447c323032397c7c4f524d5e4f30317c4d327c50"
            "7c322e332e310d5049447c317c7c343731310d4f52437c48447c7c504c310d"
        ),
    ),
)


@pytest.mark.parametrize(("name", "hexadecimal"), FOUND)
def test_what_was_found_stays_mended(name: str, hexadecimal: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        one(TARGETS[name], bytes.fromhex(hexadecimal), Budget(PATIENT))


@pytest.mark.parametrize("name", TARGETS)
def test_noise_ends_in_an_answer_or_a_refusal(name: str) -> None:
    @settings(max_examples=150, deadline=None)
    @given(st.binary(max_size=300))
    def check(raw: bytes) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            one(TARGETS[name], raw, Budget(PATIENT))

    check()
