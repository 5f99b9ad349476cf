"""Residents and attending radiologists: who signs what, how, and what then waits for whom."""

from __future__ import annotations

from ris import config
from ris.domain.actors import ActorKind
from ris.domain.errors import DeniedError, StateConflictError
from ris.domain.signatures import Proof, SignedAs, signed_as
from ris.models import Report, ReportVersion
from ris.services._context import Context

# Columns that follow from who signed last.
SETTLED = ("resident", "sent_at", "attending", "returned_at", "returned_by", "return_note")
ATTENDING_SIGNS = (
    "a resident signs preliminary: what is final, corrected or withdrawn is signed by an attending "
    "radiologist"
)


def require_proof(proof: Proof, context: Context) -> None:
    """Refuse a person's signature without what the site asks for at signing.

    The edge that looked at the password or the code says so; machines have no signature of ours.
    """
    asked = Proof(config.load().reports.sign_with)
    if context.actor.kind is not ActorKind.USER or proof.strength >= asked.strength:
        return
    if asked is Proof.FIRST_FACTOR:
        raise DeniedError("this site asks for the password of whoever signs")
    raise DeniedError("this site asks for the second factor of whoever signs")


def require_not_over_attending(last: ReportVersion | None, context: Context) -> None:
    """What an attending radiologist signed is not followed by a resident's signature."""
    if (
        last is not None
        and last.signed_as == SignedAs.ATTENDING.value
        and signed_as(context.actor) is SignedAs.RESIDENT
    ):
        raise StateConflictError("an attending radiologist signed this report already")


def require_own_draft(report: Report, context: Context) -> None:
    """A resident throws away nobody else's text."""
    if (
        signed_as(context.actor) is SignedAs.RESIDENT
        and report.author_id is not None
        and report.author_id != context.actor.user_id
    ):
        raise DeniedError("a resident throws away only a draft of his own")


def note_writer(report: Report, context: Context) -> None:
    """Keep which resident's text it is, whoever writes on it later."""
    if signed_as(context.actor) is SignedAs.RESIDENT and context.actor.user_id is not None:
        report.resident_id = context.actor.user_id


def settle(report: Report, context: Context) -> None:
    """After a signature: a resident's waits for an attending radiologist, any other for nobody.

    Its caller saves :data:`SETTLED`.
    """
    by_resident = signed_as(context.actor) is SignedAs.RESIDENT
    report.sent_at = context.now if by_resident else None
    if not by_resident:
        report.attending = None
    report.returned_at = None
    report.returned_by = None
    report.return_note = ""
