"""IAM → which allergies were added and which taken away (HL7 v2.5.1 3.4.7).

An allergy is a text here, as of AL1: what IAM-3 says in words, else its code. IAM-7 is not kept, so
one that is told by another text than before stands beside the old one until that is deleted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from integration.hl7 import datatypes
from integration.hl7.bindings import read as read_table
from integration.hl7.er7 import Group
from integration.hl7.er7_segment import Segment
from integration.hl7.fields import Faults
from ris.domain.errors import MissingValueError
from ris.domain.patients import AllergyChanges

# Table 0323 (0206 from 2.7 on): whether the allergy is there then. Without a code it is told as
# one that is there.
_ACTIONS: Mapping[str, bool] = {"A": True, "U": True, "D": False, "": True}
_UNCHANGED = "X"
# Table 0438: erroneous, and confirmed but inactive. What is only suspected or in doubt counts.
_OVER = frozenset({"E", "I"})

# Where each value stands, for the conformance statement.
FIELDS: Sequence[tuple[str, str]] = (
    ("allergy", "`IAM-3`: its text, else its code"),
    ("what became of it", "`IAM-6`: A and U it is there, D it is not, X nothing"),
    ("whether it is one", "`IAM-17`: not with E (erroneous) or I (inactive)"),
)


def changes(message: Group, faults: Faults) -> AllergyChanges:
    segments = message.segments("IAM")
    if not segments:
        raise MissingValueError("an allergy is required", path="IAM")
    added: dict[str, None] = {}
    removed: dict[str, None] = {}
    for iam in segments:
        if _action(iam) == _UNCHANGED:
            continue
        is_there = faults.take(lambda iam=iam: _is_there(iam))  # type: ignore[misc]
        text = faults.take(lambda iam=iam: _text(iam))  # type: ignore[misc]
        if text is None or is_there is None:
            continue
        if is_there:
            added[text] = None
        else:
            removed |= dict.fromkeys(_names(iam))
    return AllergyChanges(added=tuple(added), removed=tuple(removed))


def place(message: Group) -> str:
    """Where a refusal of the core belongs: the first that is taken away, else the first."""
    segments = message.segments("IAM")
    gone = [iam for iam in segments if _action(iam) == "D"]
    return (gone or segments)[0].at("3") if segments else "IAM-3"


def _action(iam: Segment) -> str:
    return (iam.get("6") or "").strip().upper()


def _is_there(iam: Segment) -> bool:
    is_there = read_table(_ACTIONS, _action(iam), table="0323", path=iam.at("6"))
    return is_there and (iam.get("17") or "").strip().upper() not in _OVER


def _text(iam: Segment) -> str:
    text = (datatypes.words(iam, 3) or "").strip()
    if not text:
        raise MissingValueError("the allergy is required", path=iam.at("3"))
    return text


def _names(iam: Segment) -> list[str]:
    """All that it may have been told by before: texts and codes."""
    said = (iam.get(f"3.{part}") for part in (2, 9, 5, 1, 4))
    return [text.strip() for text in said if text and text.strip()]
