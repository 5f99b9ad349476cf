"""What a device's ``settings`` and character sets may say; what means nothing is refused.

A misspelled ``tls = "required"`` that is silently ignored would be worse than none. What the names
do stands at :class:`worklist.registry.Profile`.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ris.domain.errors import InvalidValueError
from worklist.access import NAMES as ACCESS_NAMES


def _is_bool(value: Any) -> bool:
    return isinstance(value, bool)


def _is_window(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) in {0, 2}
        and all(
            isinstance(one, int) and not isinstance(one, bool) and 0 <= one <= 3660 for one in value
        )
    )


def _is_titles(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(one, str) and one.strip() == one and 0 < len(one) <= 16 and one.isascii()
        and "\\" not in one
        for one in value
    )  # fmt: skip


def _is_names(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) and one.strip() for one in value)


def _is_host_and_port(value: Any) -> bool:
    if not isinstance(value, str):
        return False
    host, _, port = value.rpartition(":")
    return bool(host.strip()) and port.isascii() and port.isdigit() and 0 < int(port) < 65536


def _is_statuses(value: Any) -> bool:
    return _is_names(value) and bool(value) and set(value) <= set(STATUSES)


STATUSES = ("SCHEDULED", "ARRIVED", "READY", "STARTED", "DEPARTED")
TEXT_MODES = ("auto", "fixed", "ascii")


def _is_hours(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 8760


NAMES: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "mpps": (lambda value: value in ("repair", "strict"), "repair or strict"),
    "mpps_repeats": (lambda value: value in ("refuse", "accept"), "refuse or accept"),
    "mpps_close_hours": (_is_hours, "a whole number of hours, 0 for never"),
    "offer_started": (_is_bool, "true or false"),
    "offers": (_is_statuses, f"a list of {', '.join(STATUSES)}"),
    "window_days": (_is_window, "two whole numbers: days before and after today; or []"),
    "stations": (_is_titles, "a list of AE titles"),
    "modalities": (_is_titles, "a list of modalities"),
    "sites": (_is_names, "a list of names of sites"),
    "worklist": (lambda value: _is_titles([value]), "the AE title of a named worklist"),
    "own_station": (_is_bool, "true or false"),
    "shares_list_with": (_is_titles, "a list of AE titles"),
    "aliases": (_is_titles, "a list of AE titles"),
    "operator_names": (_is_bool, "true or false"),
    "step_keys_at_root": (_is_bool, "true or false"),
    "queries": (lambda value: value in ("tolerant", "strict"), "tolerant or strict"),
    "send_time_zone": (_is_bool, "true or false"),
    "text": (lambda value: value in TEXT_MODES, "auto, fixed or ascii"),
    "fixed_character_set": (_is_bool, "true or false"),
    "listens_at": (_is_host_and_port, "host:port, where the device answers C-ECHO"),
    **ACCESS_NAMES,
}


def check(settings: Mapping[str, Any], character_sets: Sequence[str]) -> None:
    """Raises InvalidValueError for a name or value that means nothing."""
    for name, value in settings.items():
        row = NAMES.get(name)
        if row is None:
            close = difflib.get_close_matches(name, NAMES, n=1)
            hint = f"; did you mean {close[0]}?" if close else ""
            raise InvalidValueError(f"a device has no setting {name}{hint}", path="settings")
        is_possible, words = row
        if not is_possible(value):
            raise InvalidValueError(f"{name} is {words}", path=f"settings.{name}")
    if character_sets:
        _check_sets(tuple(character_sets))


def _check_sets(terms: tuple[str, ...]) -> None:
    # Loads the codecs, which no other command needs.
    from worklist.charset import UnknownCharacterSetError, character_set

    together = any("2022" in term for term in terms)
    try:
        for one in [terms] if together else [(term,) for term in terms]:
            character_set(one)
    except UnknownCharacterSetError as error:
        raise InvalidValueError(
            f"{error.args[0]} is no character set of DICOM, such as ISO_IR 192",
            path="character_sets",
        ) from None
