"""Safety questions before an exam: what is asked of whom, which answer is unsafe, who may override.

A question's rules are data: :func:`parse_rules` reads them from text (``is yes``, ``below 30``,
``older than 30 days``, ``is yes if EGFR below 45``), so that a site changes them in its catalog.
Nothing here knows the clock or the database.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from ris.domain.actors import Role
from ris.domain.commands import Command, Event
from ris.domain.errors import InvalidValueError, StateConflictError
from ris.domain.patients import PatientReference


class AnswerKind(StrEnum):
    """What an answer looks like."""

    YES_NO = "YES_NO"
    NUMBER = "NUMBER"
    CHOICE = "CHOICE"
    DATE = "DATE"
    TEXT = "TEXT"


class Gate(StrEnum):
    """What waits for the answer."""

    BOOKING = "BOOKING"
    START = "START"


class AnswerSource(StrEnum):
    """Where an answer comes from."""

    PERSON = "PERSON"
    HL7 = "HL7"
    FHIR = "FHIR"
    RECORD = "RECORD"  # what the patient's record says (AL1, ADT)
    EARLIER = "EARLIER"  # the same patient's answer for another exam
    PATIENT = "PATIENT"  # said by the patient at the page of the appointment


class Told(StrEnum):
    """Where an answer goes in the worklist (PS3.4 Table K.6-1)."""

    NOTHING = ""
    PREGNANCY = "PREGNANCY"  # (0010,21C0)
    ALERT = "ALERT"  # (0010,2000)
    ALLERGY = "ALLERGY"  # (0010,2110)
    NEED = "NEED"  # (0038,0050)
    STATE = "STATE"  # (0038,0500)
    WEIGHT = "WEIGHT"  # (0010,1030)
    HEIGHT = "HEIGHT"  # (0010,1020)


class Finding(StrEnum):
    """How one question stands for one exam."""

    OPEN = "OPEN"
    SAFE = "SAFE"
    UNSAFE = "UNSAFE"
    OVERRIDDEN = "OVERRIDDEN"


class Verdict(StrEnum):
    """How all questions of an exam stand together."""

    NONE = "NONE"  # nothing is asked
    OPEN = "OPEN"
    SAFE = "SAFE"
    UNSAFE = "UNSAFE"
    OVERRIDDEN = "OVERRIDDEN"


IONIZING = frozenset({"CR", "CT", "DX", "MG", "NM", "PT", "RF", "RG", "XA"})
# DICOM (0010,21C0): 1 not pregnant, 2 possibly, 3 definitely, 4 unknown.
PREGNANCY_CODES: Mapping[str, str] = {"no": "1", "possible": "2", "yes": "3", "unknown": "4"}
OVERRIDING = (Role.TECHNOLOGIST, Role.RADIOLOGIST)


class RuleKind(StrEnum):
    IS = "is"
    IS_NOT = "is not"
    BELOW = "below"
    ABOVE = "above"
    OLDER = "older than"


@dataclass(frozen=True, slots=True)
class Rule:
    """What makes an answer unsafe; ``when`` is another question's rule that must hold as well."""

    kind: RuleKind
    value: str
    when_code: str = ""
    when: Rule | None = None

    def __str__(self) -> str:
        text = f"{self.kind.value} {self.value}"
        if self.kind is RuleKind.OLDER:
            text += " days"
        return f"{text} if {self.when_code} {self.when}" if self.when else text


_RULE = re.compile(r"(is not|is|below|above|older than)\s+(.+)", re.IGNORECASE)
_DAYS = re.compile(r"(\d{1,5})(?:\s+days?)?", re.IGNORECASE)
_WHEN = re.compile(r"(.+?)\s+if\s+([A-Za-z0-9_-]{1,32})\s+(.+)", re.IGNORECASE)


def parse_rules(text: str) -> tuple[Rule, ...]:
    """The rules of ``is yes; below 30``; raises InvalidValueError with what it cannot read."""
    return tuple(_rule(part.strip()) for part in text.split(";") if part.strip())


def write_rules(rules: Iterable[Rule]) -> str:
    return "; ".join(str(rule) for rule in rules)


def _rule(text: str, *, inner: bool = False) -> Rule:
    conditional = None if inner else _WHEN.fullmatch(text)
    if conditional:
        simple = _rule(conditional[1], inner=True)
        return Rule(
            simple.kind, simple.value, conditional[2].upper(), _rule(conditional[3], inner=True)
        )
    found = _RULE.fullmatch(text)
    if not found:
        raise InvalidValueError(
            f"“{text}” is no rule; rules are as “is yes”, “below 30”, “older than 30 days”, "
            "“is yes if EGFR below 45”",
            path="unsafe",
        )
    kind, value = RuleKind(found[1].lower()), found[2].strip()
    if kind is RuleKind.OLDER:
        days = _DAYS.fullmatch(value)
        if not days:
            raise InvalidValueError(f"“{text}” needs a number of days", path="unsafe")
        value = days[1]
    elif kind in {RuleKind.BELOW, RuleKind.ABOVE} and number_of(value) is None:
        raise InvalidValueError(f"“{text}” needs a number", path="unsafe")
    return Rule(kind, value)


def number_of(text: str) -> float | None:
    """A number as people write it, with comma or point."""
    found = re.fullmatch(r"\s*(\d{1,9}(?:[.,]\d{1,9})?)\s*", text)
    return float(found[1].replace(",", ".")) if found else None


_BOUND = re.compile(r"\s*(<=|>=|[<>≤≥])\s*([0-9.,]+)\s*")
_ASCII = {"≤": "<=", "≥": ">="}


def bound_of(text: str) -> tuple[str, float] | None:
    """What a laboratory could not measure exactly: a comparator (<, <=, >, >=) and its number."""
    found = _BOUND.fullmatch(text)
    number = number_of(found[2]) if found else None
    return (_ASCII.get(found[1], found[1]), number) if found and number is not None else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What was said: ``on`` is the day it is of (of a laboratory value)."""

    value: str
    on: date | None = None


def broken(rule: Rule, answer: Answer, today: date, others: Mapping[str, Answer]) -> bool:
    """Whether the rule makes the answer unsafe.

    A condition on another question holds as well if that one is not answered: who does not know
    the eGFR does not know that metformin is harmless. A number that cannot be read, or a value
    without its day, is not known to be safe.
    """
    if not _broken(rule, answer, today):
        return False
    if rule.when is None:
        return True
    other = others.get(rule.when_code)
    return other is None or _broken(rule.when, other, today)


def _broken(rule: Rule, answer: Answer, today: date) -> bool:
    said = answer.value.strip().lower()
    if rule.kind is RuleKind.IS:
        return said == rule.value.lower()
    if rule.kind is RuleKind.IS_NOT:
        return said != rule.value.lower()
    if rule.kind is RuleKind.OLDER:
        return answer.on is None or (today - answer.on).days > int(rule.value)
    limit, bound = number_of(rule.value), bound_of(said)
    number = bound[1] if bound else number_of(said)
    if number is None or limit is None:
        return True
    sign, is_low = bound[0][0] if bound else "", rule.kind is RuleKind.BELOW
    if sign == ("<" if is_low else ">"):
        return True  # how far beyond it lies, nobody knows
    return number < limit if is_low else number > limit


@dataclass(frozen=True, slots=True, kw_only=True)
class QuestionDetails:
    """A safety question as the catalog has it."""

    code: str
    words: str
    kind: AnswerKind = AnswerKind.YES_NO
    unit: str = ""
    choices: tuple[tuple[str, str], ...] = ()
    help: str = ""
    modalities: tuple[str, ...] = ()  # empty: all
    contrast_only: bool = False
    sex: str = ""  # M or F; empty: all
    age_from: int | None = None
    age_to: int | None = None
    procedures: tuple[str, ...] = ()  # codes; empty: all
    sites: tuple[str, ...] = ()  # names; empty: all
    unsafe: tuple[Rule, ...] = ()
    gate: Gate = Gate.START
    # Who may let the exam go on all the same; empty: nobody.
    override: tuple[Role, ...] = OVERRIDING
    dated: bool = False  # the day of the value is asked for as well
    loinc: tuple[str, ...] = ()  # results that fill the answer in
    told: Told = Told.NOTHING
    told_words: str = ""  # an unsafe answer, in the words of the worklist
    offer_days: int = 365  # how long an earlier answer is offered; 0: never
    position: int = 100
    patient_words: str = ""  # as the patient's own page asks it; empty: it does not

    def choice_words(self, value: str) -> str:
        return dict(self.choices).get(value, value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """The exam and the patient that questions are chosen for. An unknown age or sex is asked."""

    modality: str
    contrast: bool
    procedure: str
    sex: str = ""
    age: int | None = None
    site: str = ""


def applies(question: QuestionDetails, subject: Subject) -> bool:
    """Whether the question is asked before this exam."""
    if question.modalities and subject.modality not in question.modalities:
        return False
    if question.procedures and subject.procedure not in question.procedures:
        return False
    if question.contrast_only and not subject.contrast:
        return False
    if question.sites and subject.site and subject.site not in question.sites:
        return False
    if question.sex and subject.sex in {"M", "F"} and subject.sex != question.sex:
        return False
    if subject.age is None:
        return True
    if question.age_from is not None and subject.age < question.age_from:
        return False
    return question.age_to is None or subject.age <= question.age_to


def valid(question: QuestionDetails, said: Answer) -> Answer:
    """The answer in its canonical form; raises InvalidValueError."""
    value = said.value.strip()
    if question.kind is AnswerKind.YES_NO:
        value = value.lower()
        if value not in {"yes", "no"}:
            raise InvalidValueError(f"{question.words}: answer yes or no", path=question.code)
    elif question.kind is AnswerKind.CHOICE:
        if value not in dict(question.choices):
            raise InvalidValueError(f"{question.words}: choose an answer", path=question.code)
    elif question.kind is AnswerKind.NUMBER:
        sign, number = bound_of(value) or ("", number_of(value))
        if number is None:
            raise InvalidValueError(f"{question.words}: a number is needed", path=question.code)
        value = f"{sign}{number:g}"
    elif question.kind is AnswerKind.DATE:
        try:
            value = date.fromisoformat(value).isoformat()
        except ValueError:
            raise InvalidValueError(
                f"{question.words}: a date is needed", path=question.code
            ) from None
    if not value or len(value) > 500:
        raise InvalidValueError(
            f"{question.words}: 1 to 500 characters are needed", path=question.code
        )
    if question.dated and said.on is None:
        raise InvalidValueError(
            f"{question.words}: the day of the value is needed", path=question.code
        )
    return Answer(value=value, on=said.on if question.dated else None)


def reasons(
    question: QuestionDetails, answer: Answer, today: date, others: Mapping[str, Answer]
) -> tuple[Rule, ...]:
    """The rules that make the answer unsafe; none: it is safe."""
    return tuple(rule for rule in question.unsafe if broken(rule, answer, today, others))


def verdict(findings: Iterable[Finding]) -> Verdict:
    """The worst of all: unsafe before open, open before overridden."""
    found = set(findings)
    for finding, outcome in (
        (Finding.UNSAFE, Verdict.UNSAFE),
        (Finding.OPEN, Verdict.OPEN),
        (Finding.OVERRIDDEN, Verdict.OVERRIDDEN),
        (Finding.SAFE, Verdict.SAFE),
    ):
        if finding in found:
            return outcome
    return Verdict.NONE


class NotReadyError(StateConflictError):
    """Something must be settled before an exam is booked or begun: a safety question, a protocol.

    ``details`` has the step's public id and what it waits for.
    """

    def __init__(
        self, message: str, *, step: str, waits_for: str, names: Sequence[str] = ()
    ) -> None:
        super().__init__(
            message, details={"step": step, "waits_for": waits_for, "names": list(names)}
        )


# --- what is known of a patient before anybody asks

# What a patient is allergic to, in words (AllergyIntolerance); none of LOINC's codes.
ALLERGY = "ALLERGY"
# LOINC codes of results that safety questions are about.
EGFR = ("33914-3", "62238-1", "98979-8", "48642-3", "48643-1")
CREATININE = ("2160-0",)
PREGNANCY = ("82810-3",)
WEIGHT = ("29463-7", "3141-9")
THYROID = ("3016-3", "11580-8")
OBSERVED = frozenset({*EGFR, *CREATININE, *PREGNANCY, *WEIGHT, *THYROID})
# LOINC answers to 82810-3, as our question has them.
PREGNANCY_ANSWERS: Mapping[str, str] = {
    "LA15173-0": "yes", "LA26683-5": "no", "LA4489-6": "unknown",
    "77386006": "yes", "60001007": "no", "261665006": "unknown",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """A result that came with an order, or by itself (OBX, FHIR Observation)."""

    code: str  # LOINC
    value: str
    unit: str = ""
    meaning: str = ""
    observed_at: datetime | None = None
    key: str = ""  # the sender's own name of it; the same key again replaces it


# --- commands -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class DefineSafetyQuestion(Command[str]):
    """Create or change a question of the catalog; returns its public id.

    What was answered keeps the words it was asked with.
    """

    question: QuestionDetails


@dataclass(frozen=True, slots=True, kw_only=True)
class RetireSafetyQuestion(Command[None]):
    """Stop asking a question; past answers keep it."""

    code: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportSafetyQuestions(Command[int]):
    """Define many questions at once, all or none; those of ``retired`` are no longer asked."""

    questions: tuple[QuestionDetails, ...]
    retired: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SafetyAnswerGiven:
    """One answer; ``source`` says where the person who confirms it has it from."""

    question: str  # its code
    value: str
    on: date | None = None
    source: AnswerSource = AnswerSource.PERSON


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerSafetyQuestions(Command[str]):
    """Answer questions of a step for its patient; returns how the step stands (a Verdict).

    An answer holds for all steps of the order that ask the same.
    """

    step: str
    answers: tuple[SafetyAnswerGiven, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class OverrideSafety(Command[None]):
    """Let an exam go on although questions are open or their answers unsafe.

    ``questions`` empty: all that stand in the way. Who may depends on each question.
    """

    step: str
    reason: str
    questions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordObservations(Command[str]):
    """Keep results about a patient that fill safety answers in; returns whose they are."""

    patient: PatientReference
    observations: tuple[Observed, ...]
    source: AnswerSource = AnswerSource.FHIR
    withdrawn: tuple[str, ...] = ()  # keys of what is not to be believed any more


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteUnsafeStart(Command[None]):
    """Raise what a scanner began although safety questions, or a protocol, were not settled."""

    performed: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SafetyQuestionDefined(Event):
    question: str
    code: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SafetyQuestionRetired(Event):
    question: str
    code: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SafetyQuestionsAnswered(Event):
    order: str
    step: str
    questions: tuple[str, ...]
    verdict: str
    unsafe: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SafetyOverridden(Event):
    order: str
    step: str
    questions: tuple[str, ...]
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservationsRecorded(Event):
    patient: str
    codes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class UnsafeStartNoted(Event):
    order: str
    step: str
    performed: str
    waits_for: tuple[str, ...]
    note: str
