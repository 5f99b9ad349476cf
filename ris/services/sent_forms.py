"""A form that is sent twice is carried out once, whichever web process gets it.

A double click, and a browser that sends again after a restart, send the same form with the same
token. Whoever claims it first carries it out; the second gets what the first one made.
"""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import dataclass
from datetime import timedelta

from ris.models import SentForm
from ris.services import _clock

REMEMBERED = timedelta(hours=1)
# Nobody waits longer for a page: whoever claimed it has died meanwhile.
ABANDONED = timedelta(minutes=2)


@dataclass(frozen=True, slots=True)
class Claim:
    """``made`` is the public id of what came of it; empty if it is still under way."""

    key: str
    owner: uuid.UUID
    is_first: bool
    made: str = ""

    def keep(self, made: str) -> None:
        """Say what came of it; in the transaction that makes it, if there is one."""
        SentForm.objects.filter(key=self.key, owner=self.owner).update(made=made)

    def release(self) -> None:
        """Nothing came of it: the form may be sent again."""
        SentForm.objects.filter(key=self.key, owner=self.owner, made="").delete()


def made_of(*parts: object) -> str:
    """What came of a form that was sent before; empty if nothing did yet."""
    return SentForm.objects.filter(key=_key(parts)).values_list("made", flat=True).first() or ""


def claim(*parts: object) -> Claim:
    """The form that these parts name, its token among them."""
    key = _key(parts)
    owner, now = uuid.uuid4(), _clock.now()
    SentForm.objects.filter(at__lt=now - REMEMBERED).delete()
    SentForm.objects.bulk_create([SentForm(key=key, owner=owner, at=now)], ignore_conflicts=True)
    SentForm.objects.filter(key=key, made="", at__lt=now - ABANDONED).update(owner=owner, at=now)
    row = SentForm.objects.filter(key=key).values_list("owner", "made").first()
    if row is None:  # whoever was first has let go at this moment
        return Claim(key, owner, is_first=False)
    return Claim(key, owner, is_first=row[0] == owner, made=row[1])


def _key(parts: tuple[object, ...]) -> str:
    return hashlib.sha256(":".join(map(str, parts)).encode()).hexdigest()
