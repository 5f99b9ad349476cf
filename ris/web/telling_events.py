"""What the payload of an event adds for a reader, in the language of the page.

Each function below tells one thing, whole, and nothing where the event says nothing of it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext, pgettext

from ris.domain.discontinuation import REASONS
from ris.domain.measures import MEASURES, PART_WORDS
from ris.web import labels
from ris.web.mammography import words as breast
from ris.web.performing.words import SEVERITY
from ris.web.telling_words import FIELDS, FOUND_BY, LEASE_END, PARTS, inside, reason
from ris.web.templatetags.ris_web import isolated
from ris.web.wall_clock import hour

Payload = Mapping[str, Any]


def event_detail(name: str, payload: Payload) -> str:
    found = [tell(name, payload) for tell in _TOLD]
    return " ".join(filter(None, found))


# --- times


def _moment(text: str) -> str:
    value = parse_datetime(text)
    if value is None:
        return text
    local = timezone.localtime(value)
    return f"{date_format(local, pgettext('date with year', 'j M Y'))} {hour(local)}"


def _day(text: str) -> str:
    value = parse_date(text)
    return date_format(value, pgettext("date with year", "j M Y")) if value else text


def _placed(start_at: str, station: str) -> str:
    if not station:
        return _moment(start_at)
    return _("%(time)s on %(station)s") % {"time": _moment(start_at), "station": station}


def _when(_name: str, payload: Payload) -> str:
    if not payload.get("start_at"):
        return ""
    return _placed(payload["start_at"], payload.get("station", ""))


def _until(name: str, payload: Payload) -> str:
    if not name.startswith("Closure") or not payload.get("end_at"):
        return ""
    return _("until %(until)s") % {"until": _moment(payload["end_at"])}


def _before(_name: str, payload: Payload) -> str:
    if not payload.get("previous_start_at"):
        return ""
    before = _placed(payload["previous_start_at"], payload.get("previous_station", ""))
    return _("(before: %(before)s)") % {"before": before}


def _overbooked(_name: str, payload: Payload) -> str:
    return _("booked over another appointment") if payload.get("overbooked") else ""


# --- orders and exams


def _changed(_name: str, payload: Payload) -> str:
    """Two columns of one thing are one word."""
    names = [str(name) for name in payload.get("changed") or ()]
    words = [str(FIELDS.get(name) or name.replace("_", " ")) for name in names]
    return ", ".join(dict.fromkeys(words))


def _version(_name: str, payload: Payload) -> str:
    if not (payload.get("kind") and payload.get("number")):
        return ""
    kind = inside(labels.label("version", str(payload["kind"])).words)
    return _("version %(number)s, %(kind)s") % {"number": payload["number"], "kind": kind}


def _checked(name: str, payload: Payload) -> str:
    if name != "IdentityChecked":
        return ""
    return ", ".join(str(labels.IDENTIFIER[kind]) for kind in payload["checked"])


def _called(name: str, payload: Payload) -> str:
    if name != "PatientCalled":
        return ""
    said = {"number": payload["number"], "room": isolated(payload["room"])}
    return _("number %(number)s to %(room)s") % said


def _supplies(name: str, payload: Payload) -> str:
    if name != "SuppliesRecorded":
        return ""
    return "; ".join(_used(item) for item in payload["items"]) or _("nothing used")


def _used(item: list[str]) -> str:
    _code, name, amount, unit, lot = item
    used = f"{name} {amount} {unit}"
    return _("%(used)s (lot %(lot)s)") % {"used": used, "lot": lot} if lot else used


def _severity(_name: str, payload: Payload) -> str:
    value = str(payload.get("severity") or "")
    return inside(str(SEVERITY.get(value, value)))


def _codes(name: str, payload: Payload) -> str:
    return ", ".join(map(str, payload.get("codes", ()))) if name == "ProtocolSet" else ""


def _unsafe(_name: str, payload: Payload) -> str:
    """The questions, as the site words them."""
    if not payload.get("unsafe"):
        return ""
    return _("unsafe: %(questions)s") % {"questions": "; ".join(map(str, payload["unsafe"]))}


# --- states


def _state(name: str, payload: Payload) -> str:
    value = str(payload.get("state") or "")
    if not value:
        return ""
    match name:
        case "AuthorizationDecided":
            return inside(labels.label("authorization", value).words)
        case "FollowUpMoved":
            return inside(labels.label("recommendation", value).words)
        case "BreastRecallSettled" if value in breast.RECALL_STATE:
            return inside(breast.RECALL_STATE[value].words)
    return ""


# --- reasons and notes

_MEANINGS = {each.value: each.meaning for each in REASONS.values()}


def _reason(name: str, payload: Payload) -> str:
    value = str(payload.get("reason") or "")
    if not value:
        return ""
    match name:
        case "ProcedureRejected":
            words = inside(labels.label("reject_reason", value).words)
        case "PerformedStepDiscontinued" | "FollowUpRaised":
            # What DICOM calls the code (PS3.16 CID 9300 to 9302).
            words = _(_MEANINGS[value]) if value in _MEANINGS else value
        case _:
            words = reason(value)
    return _("reason: %(reason)s") % {"reason": words}


def _alternative(_name: str, payload: Payload) -> str:
    if not payload.get("alternative"):
        return ""
    return _("instead: %(exam)s") % {"exam": isolated(str(payload["alternative"]))}


def _note(name: str, payload: Payload) -> str:
    value = str(payload.get("note") or "")
    if not value:
        return ""
    words = _NOTES.get(name, reason)(value)
    return _("note: %(note)s") % {"note": words} if words else ""


def _of_split(note: str) -> str:
    """``under A0002``: the accession number of the order that they have now."""
    return _("under %(number)s") % {"number": note.removeprefix("under ")}


_ABOVE = re.compile(r"(?P<measure>.+): (?P<value>[^:]+), level (?P<level>[^:]+)")
_MEASURES = {
    f"{info.words}{f', {words}' if words else ''}": (info.words, part)
    for info in MEASURES.values()
    for part, words in PART_WORDS.items()
}


def _of_dose(note: str) -> str:
    """``Dose length product (DLP): 1200 mGy·cm, level 900 mGy·cm``, several of them."""
    return "; ".join(_above(each) for each in note.split("; "))


def _above(text: str) -> str:
    found = _ABOVE.fullmatch(text)
    if not found or found["measure"] not in _MEASURES:
        return reason(text)
    words, part = _MEASURES[found["measure"]]
    said = {"measure": _(words), "value": found["value"], "level": found["level"]}
    if part in PARTS:
        said["part"] = str(PARTS[part])
        return _("%(measure)s, %(part)s: %(value)s, level %(level)s") % said
    return _("%(measure)s: %(value)s, level %(level)s") % said


# As ris.domain.mammography.Assessed.words writes it.
_JUDGED = re.compile(r"(right|left|overall) (\w+) \([^()]*\)")
_DENSITY = re.compile(r"Density (\w+) \([^()]*\)")


def _of_assessment(note: str) -> str:
    words = [_judged(side, value) for side, value in _JUDGED.findall(note)]
    for value in _DENSITY.findall(note):
        said = {"density": value, "words": breast.DENSITY.get(value, value)}
        words.append(_("density %(density)s (%(words)s)") % said)
    return "; ".join(words) or reason(note)


def _judged(side: str, value: str) -> str:
    said = {"category": value, "words": breast.CATEGORY.get(value, value)}
    match side:
        case "right":
            return _("right %(category)s (%(words)s)") % said
        case "left":
            return _("left %(category)s (%(words)s)") % said
    return _("overall %(category)s (%(words)s)") % said


def _of_pathology(note: str) -> str:
    label = breast.PATHOLOGY.get(note.upper())
    return inside(label.words) if label else reason(note)


def _of_several(note: str) -> str:
    return "; ".join(reason(each) for each in note.split("; "))


def _nothing(_note: str) -> str:
    """It says what the event says otherwise."""
    return ""


_NOTES: Mapping[str, Callable[[str], str]] = {
    "OrderSplit": _of_split,
    "DoseInPregnancy": _of_dose,
    "DoseLevelExceeded": _of_dose,
    "UnsafeStartNoted": _of_several,
    "BreastAssessed": _of_assessment,
    "BreastRecallRaised": _nothing,
    "BreastLetterSent": _nothing,
    "PathologyRecorded": _of_pathology,
}


# --- dose and images


def _source(name: str, payload: Payload) -> str:
    if name != "DoseRecorded" or not payload.get("source"):
        return ""
    return labels.label("dose_source", str(payload["source"])).words


def _how(name: str, payload: Payload) -> str:
    value = str(payload.get("how") or "")
    if not value:
        return ""
    match name:
        case "DoseLinked":
            return str(FOUND_BY.get(value, value))
        case "FollowUpReminded":
            return labels.label("reminder", value).words
        case "BreastLetterSent":
            return str(breast.HOW.get(value, value))
        case "ReadingReleased":
            return str(LEASE_END.get(value, ""))
    return ""


def _due(name: str, payload: Payload) -> str:
    if name != "BreastRecallRaised" or not payload.get("due_on"):
        return ""
    return _("due %(day)s") % {"day": _day(str(payload["due_on"]))}


def _images(_name: str, payload: Payload) -> str:
    count = payload.get("instances")
    if not count:
        return ""
    return ngettext("%(count)s image", "%(count)s images", count) % {"count": count}


def _missing(_name: str, payload: Payload) -> str:
    count = payload.get("missing")
    if not count:
        return ""
    return ngettext("%(count)s missing", "%(count)s missing", count) % {"count": count}


def _expected(_name: str, payload: Payload) -> str:
    return _("as expected after a wrong worklist entry") if payload.get("expected") else ""


def _match(name: str, payload: Payload) -> str:
    value = str(payload.get("match") or "MATCHED")
    if value == "MATCHED":
        return ""
    table = "dose_match" if name == "DoseRecorded" else "match"
    return inside(labels.label(table, value).words)


def _placer(name: str, payload: Payload) -> str:
    if name != "OrderCanceled" or not payload.get("by_placer"):
        return ""
    return _("by the ordering side")


# In the order in which they are read.
def _read_together(name: str, payload: Payload) -> str:
    if name != "ExamsCovered":
        return ""
    found = []
    if payload.get("also"):
        found.append(_("also %(exams)s") % {"exams": ", ".join(payload["also"])})
    if payload.get("without"):
        found.append(_("without %(exams)s") % {"exams": ", ".join(payload["without"])})
    return "; ".join(found)


_TOLD: tuple[Callable[[str, Payload], str], ...] = (
    _when, _until, _before, _overbooked, _changed, _version, _checked, _called, _supplies,
    _severity, _state, _reason, _unsafe, _codes, _alternative, _note, _due, _source, _how, _images,
    _missing, _expected, _match, _placer, _read_together,
)  # fmt: skip
