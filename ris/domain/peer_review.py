"""Peer review: a share of the final reports is read again by somebody else, both unknown to each
other.

Scores follow RADPEER (ACR, 2016 edition). They serve learning, not the record: nothing of a review
is an event, so that no timeline, message, export or search can tell of it; only the audit says
that somebody reviewed something.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from ris.domain.commands import Command
from ris.domain.errors import InvalidValueError
from ris.domain.states import StateMachine


class ReviewOrigin(StrEnum):
    """Why a report is looked at again."""

    SAMPLED = "SAMPLED"
    CHANCE = "CHANCE"  # somebody read an earlier report and saw it otherwise
    TRAINING = "TRAINING"  # the specialist signed otherwise than the resident


class PeerReviewState(StrEnum):
    OPEN = "OPEN"
    TAKEN = "TAKEN"
    DONE = "DONE"
    DROPPED = "DROPPED"


class PeerReviewTrigger(StrEnum):
    TAKE = "take"
    RETURN = "return"
    SCORE = "score"
    DROP = "drop"


PEER_REVIEW = StateMachine[PeerReviewState, PeerReviewTrigger](
    "PeerReview",
    PeerReviewState.OPEN,
    {
        (PeerReviewState.OPEN, PeerReviewTrigger.TAKE): PeerReviewState.TAKEN,
        (PeerReviewState.TAKEN, PeerReviewTrigger.RETURN): PeerReviewState.OPEN,
        (PeerReviewState.TAKEN, PeerReviewTrigger.SCORE): PeerReviewState.DONE,
        (PeerReviewState.OPEN, PeerReviewTrigger.DROP): PeerReviewState.DROPPED,
        (PeerReviewState.TAKEN, PeerReviewTrigger.DROP): PeerReviewState.DROPPED,
    },
)


class Score(StrEnum):
    """RADPEER: a is not likely, b is likely to matter to the patient."""

    CONCUR = "1"
    UNDERSTANDABLE = "2a"
    UNDERSTANDABLE_MATTERS = "2b"
    SHOULD = "3a"
    SHOULD_MATTERS = "3b"
    ALWAYS = "4a"
    ALWAYS_MATTERS = "4b"


# Who gives one of these says why.
EXPLAINED = frozenset(Score) - {Score.CONCUR}


class Grade(StrEnum):
    """How far a specialist's report is from the resident's."""

    NONE = "NONE"
    MINOR = "MINOR"
    MAJOR = "MAJOR"


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplingRule:
    """So many percent of a reader's final reports; empty means every reader, every modality."""

    percent: float
    reader: str = ""  # login
    modality: str = ""


def check_rules(rules: Sequence[SamplingRule]) -> None:
    """Raises InvalidValueError for what cannot be kept."""
    if len(rules) > 200:
        raise InvalidValueError("more than 200 rules", path="rules")
    seen = set()
    for rule in rules:
        if not 0 <= rule.percent <= 100:
            raise InvalidValueError("a share is 0 to 100 percent", path="rules")
        key = (rule.reader, rule.modality)
        if key in seen:
            whose = " ".join(filter(None, key)) or "everybody"
            raise InvalidValueError(f"there are two rules for {whose}", path="rules")
        seen.add(key)


def percent_for(rules: Iterable[SamplingRule], reader: str, modality: str) -> float:
    """The share that counts: the rule that says most about whose report it is."""
    fitting = [
        rule
        for rule in rules
        if rule.reader in {"", reader} and rule.modality in {"", modality.upper()}
    ]
    best = max(fitting, key=lambda rule: (bool(rule.reader), bool(rule.modality)), default=None)
    return best.percent if best is not None else 0.0


def is_drawn(secret: bytes, report: str, percent: float) -> bool:
    """Whether a report is picked: always the same answer, which only the secret's holder knows."""
    digest = hmac.new(secret, report.encode(), hashlib.sha256).digest()
    return int.from_bytes(digest[:8], "big") < percent / 100 * 2**64


def may_review(reviewer: int, involved: Collection[int]) -> bool:
    """Never one's own report, nor one that was signed together, as resident or as specialist."""
    return reviewer not in involved


@dataclass(frozen=True, slots=True, kw_only=True)
class SetSamplingRules(Command[int]):
    """Replace the rules; they count for reports that are signed from now on."""

    rules: tuple[SamplingRule, ...]
    expected_version: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawPeerReviews(Command[int]):
    """Pick from the final reports that were not looked at yet (timer); returns how many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TakePeerReview(Command[str]):
    """The next report that one may review; returns its public id, empty if there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReturnPeerReview(Command[None]):
    """Give it back, for example because one knows whose it is."""

    review: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ScorePeerReview(Command[None]):
    review: str
    score: Score
    comment: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DropPeerReview(Command[None]):
    """Take it out of the sample, with a reason."""

    review: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FlagDiscrepancy(Command[str]):
    """An earlier report was found to be otherwise; returns the review's public id."""

    report: str
    score: Score
    comment: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GradeDifference(Command[str]):
    """How far the final report is from the preliminary one, with a note to who wrote that."""

    report: str
    grade: Grade
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AcknowledgePeerReview(Command[None]):
    """Whose report it is has read what was said of it."""

    review: str
