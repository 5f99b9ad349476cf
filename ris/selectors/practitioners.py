"""Who may have requested an exam: people as they are typed and looked up."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import Q

from ris.domain.values import Identifier, PersonName
from ris.models import Practitioner

_NUMBER = re.compile(r"^(?P<name>.*)\((?P<number>[^()]+)\)\s*$")


@dataclass(frozen=True, slots=True, kw_only=True)
class PractitionerLine:
    """``words`` is how a person is written in a field, and understood again from it."""

    name: PersonName
    identifier: Identifier

    @property
    def words(self) -> str:
        said = written(self.name)
        return f"{said} ({self.identifier.value})" if self.identifier.value else said


def written(name: PersonName) -> str:
    """A name as a field takes it: family name, given names."""
    group = name.alphabetic or name.ideographic or name.phonetic
    given = " ".join(part for part in (group.given, group.middle) if part)
    return ", ".join(part for part in (group.family, given) if part)


def _line(row: Practitioner) -> PractitionerLine:
    return PractitionerLine(
        name=PersonName.parse(row.name),
        identifier=Identifier(row.identifier, row.issuer),
    )


def practitioners(text: str, limit: int = 12) -> Sequence[PractitionerLine]:
    """People whose name or number has every word of ``text``."""
    rows = Practitioner.objects.all()
    for word in text.replace(",", " ").replace("(", " ").replace(")", " ").split():
        rows = rows.filter(Q(name__icontains=word) | Q(identifier__istartswith=word))
    return [_line(row) for row in rows.order_by("name", "id")[:limit]]


def of_login(user: int) -> PractitionerLine | None:
    """The person behind a login; None where it has no name."""
    row = Practitioner.objects.filter(user=user).first()
    return _line(row) if row else None


def meant(text: str) -> PractitionerLine | None:
    """Whom a field names by the number behind the name; None for a name alone."""
    match = _NUMBER.match(text)
    if match is None:
        return None
    rows = [_line(row) for row in Practitioner.objects.filter(identifier=match["number"].strip())]
    found = [row for row in rows if row.words == " ".join(text.split())]
    return found[0] if len(found) == 1 else None
