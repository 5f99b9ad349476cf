"""Minutes in words."""

from __future__ import annotations

from django.utils.translation import gettext as _


def duration(minutes: float) -> str:
    """``45 min``, ``3 h 20``, ``2 d 4 h``: as exact as anybody wants to know."""
    whole = round(minutes)
    if whole < 90:
        return _("%(minutes)d min") % {"minutes": whole}
    if whole < 48 * 60:
        hours = {"hours": whole // 60, "minutes": whole % 60}
        return _("%(hours)d h %(minutes)02d") % hours
    days = {"days": whole // 1440, "hours": whole % 1440 // 60}
    return _("%(days)d d %(hours)d h") % days
