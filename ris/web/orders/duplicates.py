"""Who a person that is typed in may be already, and why: people decide, nobody guesses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.translation import gettext as _

from ris.domain.values import Identifier, NameGroup, PartialDate, PersonName, fold
from ris.selectors.patient_matches import candidates
from ris.selectors.views import PatientView

SHOWN = 5


@dataclass(frozen=True, slots=True)
class Alike:
    patient: PatientView
    why: tuple[str, ...]


def alike(
    identifiers: Sequence[Identifier], name: PersonName, birth_date: PartialDate
) -> list[Alike]:
    """The likest first."""
    found = [
        Alike(view, _reasons(view, identifiers, name, birth_date))
        for view in candidates(identifiers, name, birth_date)
    ]
    found.sort(key=lambda each: (-len(each.why), str(each.patient.name)))
    return found[:SHOWN]


def _reasons(
    view: PatientView,
    identifiers: Sequence[Identifier],
    name: PersonName,
    birth_date: PartialDate,
) -> tuple[str, ...]:
    reasons = []
    own = {(each.value, each.issuer) for each in view.identifiers}
    if any((each.value, each.issuer) in own for each in identifiers):
        reasons.append(_("same number"))
    theirs, typed = view.name.alphabetic, name.alphabetic
    same_family = bool(typed.family) and fold(theirs.family) == fold(typed.family)
    same_given = bool(typed.given) and _given(theirs) == _given(typed)
    if same_family and same_given:
        reasons.append(_("same name"))
    elif same_family:
        reasons.append(_("same family name"))
    elif not reasons:
        reasons.append(_("similar name"))
    if birth_date and view.birth_date.text == birth_date.text:
        reasons.append(_("same birth date"))
    return tuple(reasons)


def _given(group: NameGroup) -> str:
    """All given names; which of them is the middle one is written differently everywhere."""
    return fold(" ".join(part for part in (group.given, group.middle) if part))
