"""What stands against a time, in the words of pages."""

from __future__ import annotations

from collections.abc import Mapping

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from ris.domain.openings import Against, Refusal

WORDS: Mapping[Against, str | Promise] = {
    Against.OTHER_MODALITY: _("The device is of another modality: %(about)s"),
    Against.NOT_ALLOWED: _("This exam is not done on this device"),
    Against.PAST: _("That time is past"),
    Against.LEAD_TIME: _("The exam needs time for preparation"),
    Against.NOT_WISHED: _("It is outside the time that was asked for"),
    Against.OUTSIDE_HOURS: _("The room is not open at that time"),
    Against.CLOSED: _("The room is closed at that time: %(about)s"),
    Against.DOWNTIME: _("The device is down at that time: %(about)s"),
    Against.HOLIDAY: _("It is a holiday: %(about)s"),
    Against.RESERVED: _("That time is reserved for others: %(about)s"),
    Against.TAKEN: _("That time is taken"),
    Against.BUFFER: _("The time around the next exam is kept free for cleaning"),
    Against.PATIENT: _("The patient has another appointment at that time"),
    Against.STAFF: _("Nobody is free who is needed: %(about)s"),
    Against.GAP: _("It would leave a gap that is too short for any exam"),
    Against.LINKED: _("The time between would not be as the catalog wants it: %(about)s"),
}


def words(refusal: Refusal) -> str:
    text = str(WORDS[refusal.kind]) % {"about": refusal.about}
    return text.removesuffix(": ")
