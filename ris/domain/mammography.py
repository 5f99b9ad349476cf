"""Breast exams: assessment, what it asks for, outcome; commands and events.

The assessment categories (0 to 6) and the densities (A to D) are those that breast imaging uses
everywhere; their words here are our own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

from ris.domain.commands import Command, Event
from ris.domain.days import months_later
from ris.domain.errors import InvalidValueError, MissingValueError
from ris.domain.signatures import Proof
from ris.domain.states import StateMachine

# An outcome within a year of an exam says whether the exam was right.
WATCHED_DAYS = 365


class BreastExam(StrEnum):
    """What kind of breast exam a procedure of the catalog is."""

    SCREENING = "SCREENING"
    DIAGNOSTIC = "DIAGNOSTIC"
    OTHER = "OTHER"  # ultrasound, MR: assessed, without a density


class Category(StrEnum):
    """The assessment of a breast, or of the whole exam."""

    INCOMPLETE = "0"
    NEGATIVE = "1"
    BENIGN = "2"
    PROBABLY_BENIGN = "3"
    SUSPICIOUS = "4"
    LOW_SUSPICION = "4A"
    MODERATE_SUSPICION = "4B"
    HIGH_SUSPICION = "4C"
    MALIGNANT = "5"
    KNOWN = "6"


class Density(StrEnum):
    FATTY = "A"
    SCATTERED = "B"
    DENSE = "C"
    VERY_DENSE = "D"


CATEGORY_WORDS: Mapping[Category, str] = {
    Category.INCOMPLETE: "needs more imaging",
    Category.NEGATIVE: "nothing found",
    Category.BENIGN: "harmless finding",
    Category.PROBABLY_BENIGN: "very likely harmless",
    Category.SUSPICIOUS: "suspicious",
    Category.LOW_SUSPICION: "suspicious, low",
    Category.MODERATE_SUSPICION: "suspicious, moderate",
    Category.HIGH_SUSPICION: "suspicious, high",
    Category.MALIGNANT: "very likely cancer",
    Category.KNOWN: "cancer already proven",
}
DENSITY_WORDS: Mapping[Density, str] = {
    Density.FATTY: "mostly fat",
    Density.SCATTERED: "some dense areas",
    Density.DENSE: "many dense areas",
    Density.VERY_DENSE: "very dense",
}

# What has to be acted on first stands last: the overall assessment is the highest of both sides.
URGENCY: tuple[Category, ...] = (
    Category.NEGATIVE,
    Category.BENIGN,
    Category.PROBABLY_BENIGN,
    Category.KNOWN,
    Category.INCOMPLETE,
    Category.SUSPICIOUS,
    Category.LOW_SUSPICION,
    Category.MODERATE_SUSPICION,
    Category.HIGH_SUSPICION,
    Category.MALIGNANT,
)
BIOPSY = frozenset(
    {
        Category.SUSPICIOUS,
        Category.LOW_SUSPICION,
        Category.MODERATE_SUSPICION,
        Category.HIGH_SUSPICION,
        Category.MALIGNANT,
    }
)
# Of a screening exam: what calls somebody back.
POSITIVE = BIOPSY | {Category.INCOMPLETE, Category.PROBABLY_BENIGN}
DENSE = frozenset({Density.DENSE, Density.VERY_DENSE})


class RecallKind(StrEnum):
    ADDITIONAL_IMAGING = "ADDITIONAL"
    SHORT_INTERVAL = "INTERVAL"
    BIOPSY = "BIOPSY"


class RecallState(StrEnum):
    OPEN = "OPEN"
    DONE = "DONE"
    CLOSED = "CLOSED"  # a person said why nothing more comes
    WITHDRAWN = "WITHDRAWN"  # its assessment does not hold any more


class RecallTrigger(StrEnum):
    DO = "do"
    CLOSE = "close"
    REOPEN = "reopen"
    WITHDRAW = "withdraw"


RECALL = StateMachine[RecallState, RecallTrigger](
    "BreastRecall",
    RecallState.OPEN,
    {
        (RecallState.OPEN, RecallTrigger.DO): RecallState.DONE,
        (RecallState.OPEN, RecallTrigger.CLOSE): RecallState.CLOSED,
        (RecallState.DONE, RecallTrigger.REOPEN): RecallState.OPEN,
        (RecallState.CLOSED, RecallTrigger.REOPEN): RecallState.OPEN,
        (RecallState.OPEN, RecallTrigger.WITHDRAW): RecallState.WITHDRAWN,
        (RecallState.DONE, RecallTrigger.WITHDRAW): RecallState.WITHDRAWN,
        (RecallState.CLOSED, RecallTrigger.WITHDRAW): RecallState.WITHDRAWN,
    },
)


class Pathology(StrEnum):
    BENIGN = "BENIGN"
    MALIGNANT = "MALIGNANT"


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessed:
    """What a reader found of a breast exam; a side that was not examined is empty."""

    right: str = ""
    left: str = ""
    overall: str = ""
    density: str = ""

    @property
    def words(self) -> str:
        """As it stands in the report and in the timeline."""
        parts = [
            f"{name} {value} ({CATEGORY_WORDS[Category(value)]})"
            for name, value in (("right", self.right), ("left", self.left))
            if value
        ]
        overall = f"overall {self.overall} ({CATEGORY_WORDS[Category(self.overall)]})"
        text = f"{', '.join(parts)}; {overall}."
        if self.density:
            text += f" Density {self.density} ({DENSITY_WORDS[Density(self.density)]})."
        return text

    @property
    def recall(self) -> RecallKind | None:
        return recall_of(Category(self.overall))


def checked(said: Assessed, exam: BreastExam) -> Assessed:
    """What was said, whole: the overall assessment follows from the sides where it was left out.

    Raises MissingValueError or InvalidValueError.
    """
    for name in ("right", "left", "overall"):
        value = getattr(said, name)
        if value and value not in {one.value for one in Category}:
            raise InvalidValueError("an assessment is 0 to 6", path=name)
    if said.density and said.density not in {one.value for one in Density}:
        raise InvalidValueError("a density is A to D", path="density")
    sides = [Category(value) for value in (said.right, said.left) if value]
    if not sides:
        raise MissingValueError("assess at least one breast", path="right")
    if exam is BreastExam.SCREENING and len(sides) < 2:
        raise MissingValueError("a screening exam assesses both breasts", path="left")
    if exam is not BreastExam.OTHER and not said.density:
        raise MissingValueError("say the density of the breasts", path="density")
    highest = max(sides, key=URGENCY.index)
    overall = Category(said.overall) if said.overall else highest
    if URGENCY.index(overall) < URGENCY.index(highest):
        raise InvalidValueError(
            "the overall assessment cannot be less than that of a side", path="overall"
        )
    return Assessed(right=said.right, left=said.left, overall=overall.value, density=said.density)


def recall_of(category: Category) -> RecallKind | None:
    """What an assessment asks for."""
    if category in BIOPSY:
        return RecallKind.BIOPSY
    return {
        Category.INCOMPLETE: RecallKind.ADDITIONAL_IMAGING,
        Category.PROBABLY_BENIGN: RecallKind.SHORT_INTERVAL,
    }.get(category)


# The line that a signed text carries; found again by its beginning, so that it stands there once.
LINE = "Breast assessment: "


def with_line(text: str, said: Assessed) -> str:
    """A section's text with the present assessment as its last line."""
    return f"{without_line(text)}\n{LINE}{said.words}".strip()


def without_line(text: str) -> str:
    """What was written, as its author sent it."""
    return "\n".join(line for line in text.splitlines() if not line.startswith(LINE)).strip()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """How long a site waits for what; what holds where nobody set anything."""

    letters: bool = True
    letter_hours: int = 24
    additional_days: int = 30
    interval_months: int = 6
    biopsy_days: int = 14
    reminder_days: int = 14

    def due(self, kind: RecallKind, examined_on: date) -> date:
        """The day by which what an assessment asks for should be done."""
        if kind is RecallKind.SHORT_INTERVAL:
            return months_later(examined_on, self.interval_months)
        days = self.biopsy_days if kind is RecallKind.BIOPSY else self.additional_days
        return examined_on + timedelta(days=days)


LIMITS: Mapping[str, tuple[int, int]] = {
    "letter_hours": (0, 24 * 30),
    "additional_days": (1, 365),
    "interval_months": (1, 24),
    "biopsy_days": (1, 365),
    "reminder_days": (1, 365),
}


# --- commands


@dataclass(frozen=True, slots=True, kw_only=True)
class SetBreastExam(Command[None]):
    """Say which breast exam a procedure of the catalog is; empty: none."""

    procedure: str
    exam: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SetMammographyRules(Command[None]):
    rules: Rules


@dataclass(frozen=True, slots=True, kw_only=True)
class AssessBreast(Command[str]):
    """Note the assessment of an exam while its report is written; returns its public id."""

    report: str
    assessed: Assessed


@dataclass(frozen=True, slots=True, kw_only=True)
class ReassessBreast(Command[int]):
    """Change a signed assessment, by an addendum that says so; returns the version number."""

    report: str
    assessed: Assessed
    reason: str
    expected_version: int | None = None
    proof: Proof = Proof.NONE


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordPathology(Command[str]):
    """What a biopsy or an operation found; returns the outcome's public id."""

    assessment: str
    result: Pathology
    taken_on: date
    side: str = ""
    source: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class WithdrawPathology(Command[None]):
    outcome: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseRecall(Command[None]):
    """Say why a recall is awaited no more: done elsewhere, declined, moved away."""

    recall: str
    note: str
    done: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ReopenRecall(Command[None]):
    recall: str
    note: str


# --- events


@dataclass(frozen=True, slots=True, kw_only=True)
class BreastExamSet(Event):
    definition: str
    exam: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MammographyRulesSet(Event):
    letters: bool
    letter_hours: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BreastAssessed(Event):
    """``note`` has the assessment in words."""

    report: str
    order: str
    assessment: str
    overall: str
    note: str
    previous: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BreastRecallRaised(Event):
    order: str
    recall: str
    kind: str
    due_on: date
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BreastRecallSettled(Event):
    order: str
    recall: str
    kind: str
    state: str
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PathologyRecorded(Event):
    order: str
    outcome: str
    result: str
    taken_on: date
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PathologyWithdrawn(Event):
    order: str
    outcome: str
    note: str = ""
