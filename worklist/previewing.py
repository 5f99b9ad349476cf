"""A worklist entry as a device is answered that asks for everything (ris.services.rehearsal)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

from ris.selectors.facility import site
from ris.selectors.views import WorklistEntry
from worklist.attributes import WORKLIST_TREE, Offer
from worklist.mwl import Plan, plan, to_identifier, whole


def as_answered(entry: WorklistEntry) -> Mapping[str, Any]:
    """The answer as DICOM JSON, in the site's time, by the rules of no device in particular."""
    offer = Offer.of(entry, ZoneInfo(site().time_zone))
    return to_identifier(_everything().keys, offer).to_json_dict()


@cache
def _everything() -> Plan:
    return plan(whole(WORKLIST_TREE))
