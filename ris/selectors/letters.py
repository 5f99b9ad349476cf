"""The words of a letter about a breast exam: the site's own, else ours; the patient's language."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from django.conf import settings
from django.utils import timezone, translation
from django.utils.formats import date_format

from ris.domain.mammography import DENSE, Density
from ris.domain.mammography_letters import Statement, Topic
from ris.domain.mammography_texts import FRAMES, TEXTS, Frame, fill
from ris.domain.patient_texts import language_of
from ris.domain.values import PersonName
from ris.models import BreastAssessment, BreastLetter, BreastLetterText
from ris.selectors.facility import site
from ris.selectors.letter_lists import with_patients
from ris.selectors.letterheads import SiteHead, head_of
from ris.selectors.patient_links import policy_for

# A letter that only says what to do next says nothing of density.
_WITH_DENSITY = frozenset(Topic) - {Topic.REMINDER, Topic.RECALLED, Topic.KNOWN}


@dataclass(frozen=True, slots=True, kw_only=True)
class Worded:
    """What a letter says, and in which language."""

    language: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterPage:
    """A worded letter with what its sheet says around it, in the patient's language."""

    public_id: str
    language: str
    text: str
    name: PersonName
    address: str
    number: str
    birth_date: str
    written_on: str
    examined_on: str
    head: SiteHead  # as it was when the letter was printed


def pages(public_ids: Sequence[str]) -> list[LetterPage]:
    """Letters that were worded, in the order of their days; what was never printed is left out."""
    rows = with_patients(BreastLetter.objects.filter(public_id__in=list(public_ids)))
    worded = list(rows.exclude(text="").order_by("due_at", "id"))
    # Letters are printed together: they have one time, and one head.
    heads = {each: head(each) for each in {row.printed_at for row in worded}}
    return [_page(row, heads[row.printed_at]) for row in worded]


def _page(row: BreastLetter, above: SiteHead) -> LetterPage:
    patient = row.assessment.report.order.patient
    number = next(iter(patient.identifiers.all()), None)
    written = timezone.localtime(row.printed_at).date() if row.printed_at else None
    return LetterPage(
        public_id=str(row.public_id),
        language=row.language,
        text=row.text,
        name=PersonName.parse(patient.name),
        address=" ".join(patient.address.split()),
        number=number.value if number else "",
        birth_date=patient.birth_date,
        written_on=_day(written, row.language) if written else "",
        examined_on=_day(row.assessment.examined_on, row.language),
        head=above,
    )


def head(at: datetime | None = None) -> SiteHead:
    """The letterhead of the site, as it was at a time; as it is now without one."""
    return head_of((), at or timezone.now())


def frame_of(language: str) -> Frame:
    return FRAMES[language if language in FRAMES else "en"]


def words(kind: str, language: str, own: Mapping[str, str]) -> str:
    return own.get(kind) or TEXTS[language if language in TEXTS else "en"][kind]


def own_words(language: str) -> Mapping[str, str]:
    """What the site wrote itself in a language, by kind."""
    rows = BreastLetterText.objects.filter(language=language).values_list("kind", "body")
    return dict(rows)


def own_kinds() -> frozenset[tuple[str, str]]:
    """Kind and language of everything that the site wrote itself."""
    return frozenset(BreastLetterText.objects.values_list("kind", "language"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """What all letters say that are worded together; ``own`` are the site's words by language."""

    now: datetime
    name: str
    phone: str
    own: Mapping[str, Mapping[str, str]]


def sender(now: datetime) -> Sender:
    """Read once, however many letters are worded."""
    place = site()
    name = place.institution or place.name
    own: dict[str, dict[str, str]] = {}
    for language, kind, body in BreastLetterText.objects.values_list("language", "kind", "body"):
        own.setdefault(language, {})[kind] = body
    return Sender(now=now, name=name, phone=_phone(name), own=own)


def worded(letter: BreastLetter, by: Sender) -> Worded:
    """The whole text; the letter was read with its assessment, order and patient. No query."""
    row = letter.assessment
    patient = row.report.order.patient
    language = language_of(patient.language, settings.LANGUAGE_CODE)
    own = by.own.get(language, {})
    frame = frame_of(language)
    earlier = letter.replaces.sent_at if letter.replaces else None
    topic = Topic(letter.topic)
    values = {
        "patient": _called(patient.name),
        "date": _day(timezone.localtime(by.now).date(), language),
        "exam_date": _day(row.examined_on, language),
        "due": _day(letter.recall.due_on, language) if letter.recall else "",
        "site": by.name,
        "phone": by.phone,
        "earlier": _day(timezone.localtime(earlier).date(), language) if earlier else "",
        "density": _density(row, language, own) if topic in _WITH_DENSITY else "",
    }
    values["replaces"] = (
        fill(words(Statement.REPLACES, language, own), values)
        if earlier and topic is not Topic.RECALLED
        else ""
    )
    body = words(topic.value, language, own)
    parts = [frame.greeting, "" if "{replaces}" in body else "{replaces}", body]
    parts += ["" if "{density}" in body else "{density}", frame.closing]
    return Worded(language=language, text=fill("\n\n".join(part for part in parts if part), values))


def _phone(otherwise: str) -> str:
    """What patients call: as said for their page, else by the letterhead, else only whom."""
    said = policy_for(None).phone
    if said:
        return said
    letterhead = head().letterhead
    return (letterhead.phone if letterhead else "") or otherwise


def _density(row: BreastAssessment, language: str, own: Mapping[str, str]) -> str:
    if not row.density:
        return ""
    kind = Statement.DENSE if Density(row.density) in DENSE else Statement.NOT_DENSE
    return words(kind, language, own)


def _called(name: str) -> str:
    """The patient as one writes to a person."""
    said = PersonName.parse(name)
    group = said.ideographic or said.alphabetic or said.phonetic
    parts = (group.given, group.family)
    if group is said.ideographic:
        parts = (group.family, group.given)
    return " ".join(part for part in parts if part)


def _day(day: date, language: str) -> str:
    with translation.override(language):
        return date_format(day, "DATE_FORMAT")
