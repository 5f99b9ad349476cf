"""IAM → which allergies were added and which taken away (HL7 v2.5.1 3.4.7).

An allergy is a text here, as of AL1: what IAM-3 says in words, else its code. By IAM-7 its sender
names it: one that is told in other words than before replaces the old ones, and one that is deleted
needs no words. A number without authority is one of the sender's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from integration.hl7 import datatypes
from integration.hl7.bindings import read as read_table
from integration.hl7.er7 import Group
from integration.hl7.er7_segment import Segment
from integration.hl7.faults import Faults
from integration.hl7.profiles import Profile
from ris.domain.errors import MissingValueError
from ris.domain.patients import AllergyChanges, NamedAllergy

# Table 0323 (0206 from 2.7 on): whether the allergy is there then. Without a code it is told as
# one that is there.
_ACTIONS: Mapping[str, bool] = {"A": True, "U": True, "D": False, "": True}
_UNCHANGED = "X"
# Table 0438: erroneous, and confirmed but inactive. What is only suspected or in doubt counts.
_OVER = frozenset({"E", "I"})

# Where each value stands, for the conformance statement.
FIELDS: Sequence[tuple[str, str]] = (
    ("allergy", "`IAM-3`: its text, else its code"),
    ("its number", "`IAM-7`: told with other words, or deleted without any, it is the same one"),
    ("what became of it", "`IAM-6`: A and U it is there, D it is not, X nothing"),
    ("whether it is one", "`IAM-17`: not with E (erroneous) or I (inactive)"),
)


def changes(message: Group, profile: Profile, faults: Faults) -> AllergyChanges:
    segments = message.segments("IAM")
    if not segments:
        raise MissingValueError("an allergy is required", path="IAM")
    added: list[NamedAllergy] = []
    removed: list[NamedAllergy] = []
    for iam in segments:
        if _action(iam) == _UNCHANGED:
            continue
        is_there = faults.take(lambda iam=iam: _is_there(iam))  # type: ignore[misc]
        named = faults.take(lambda iam=iam: _named(iam, profile))  # type: ignore[misc]
        if named is None or is_there is None:
            continue
        if is_there and not named.texts:
            faults.add(_missing(iam))
        else:
            (added if is_there else removed).append(named)
    return AllergyChanges(added=tuple(added), removed=tuple(removed))


def place(message: Group) -> str:
    """Where a refusal of the core belongs: the first that is taken away, else the first."""
    segments = message.segments("IAM")
    if not segments:
        return "IAM-3"
    iam = next((each for each in segments if _action(each) == "D"), segments[0])
    return iam.at("3" if _texts(iam) else "7")


def _action(iam: Segment) -> str:
    return (iam.get("6") or "").strip().upper()


def _is_there(iam: Segment) -> bool:
    is_there = read_table(_ACTIONS, _action(iam), table="0323", path=iam.at("6"))
    return is_there and (iam.get("17") or "").strip().upper() not in _OVER


def _named(iam: Segment, profile: Profile) -> NamedAllergy:
    number = datatypes.entity(iam, 7, profile.order_authority)
    texts = _texts(iam)
    if not texts and number is None:
        raise _missing(iam)
    return NamedAllergy(texts=texts, number=f"{number.value}^{number.issuer}" if number else "")


def _missing(iam: Segment) -> MissingValueError:
    return MissingValueError("the allergy is required", path=iam.at("3"))


def _texts(iam: Segment) -> tuple[str, ...]:
    """What it is called, then all that it may have been told by before: texts and codes."""
    said = (datatypes.words(iam, 3), *(iam.get(f"3.{part}") for part in (2, 9, 5, 1, 4)))
    return tuple(dict.fromkeys(text.strip() for text in said if text and text.strip()))
