"""Wildcards of a key (PS3.4 C.2.2.2.4)."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ris.selectors import name_keys
from ris.selectors.name_keys import wildcard_pattern


def plainly(key: str) -> str:
    """The obvious expression, which may take for ever."""
    return "".join({"*": ".*", "?": "."}.get(char, re.escape(char)) for char in key)


@settings(max_examples=2_000)
@given(st.text("ab.*?", max_size=8), st.text("ab.\n", max_size=9))
def test_a_wildcard_means_what_the_standard_says(key: str, text: str) -> None:
    meant = re.fullmatch(plainly(key), text, re.DOTALL) is not None

    assert (wildcard_pattern(key).fullmatch(text) is not None) is meant


@pytest.mark.parametrize("key", ["*?" * 30 + "z", "?*" * 30 + "z", "*a" * 40 + "z", "*e*n" * 20])
def test_a_key_of_many_wildcards_is_compared_in_little_time(key: str) -> None:
    name = "van den berghe^anna maximiliana alexandra^johanna"
    began = time.process_time()

    assert not name_keys.matches(key, name)
    assert time.process_time() - began <= 0.25
