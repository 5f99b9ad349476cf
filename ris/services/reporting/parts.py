"""What every command about a report needs: the locked row, clean text, a new version."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.utils import timezone

from ris.domain.errors import (
    InvalidValueError,
    MissingValueError,
    StateConflictError,
    UnknownKeyError,
)
from ris.domain.reading import LeaseEnd
from ris.domain.report_templates import DraftForm
from ris.domain.reporting import (
    CLOSED,
    EDITED,
    REPORT,
    SECTIONS,
    ReportSigned,
    ReportTrigger,
    VersionKind,
    unshown,
)
from ris.domain.results import Particulars
from ris.domain.signatures import Proof, signed_as
from ris.models import (
    Order,
    PerformedProcedureStep,
    Report,
    ReportVersion,
    RequestedProcedure,
)
from ris.selectors import report_exams
from ris.selectors.report_seals import hash_of, seal_of
from ris.services import documents, reading_leases
from ris.services._context import Context
from ris.services._locks import lock_orders, public_key
from ris.services._transition import move, touch
from ris.services.mammography import assessing as breast_exams
from ris.services.reporting.critical import communications_of
from ris.services.reporting.residents import (
    SETTLED,
    note_writer,
    require_not_over_attending,
    require_proof,
    settle,
)

_KEYS = frozenset(key for key, _ in SECTIONS)


def keep_draft(
    report: Report,
    sections: dict[str, str],
    form: DraftForm | None,
    context: Context,
    *,
    particulars: Particulars | None = None,
) -> int:
    """Keep what is written so far, and whose hand it was; returns the new revision.

    ``particulars`` come with a text from elsewhere; what is written over such a text is noted.
    """
    report.draft = sections
    report.form = form.to_json() if form is not None else None
    report.draft_revision += 1
    report.draft_saved_at = context.now
    report.author_id = context.actor.user_id or report.author_id
    note_writer(report, context)
    if particulars is not None:
        report.particulars = particulars.to_json()
    elif report.particulars:
        report.particulars = {**report.particulars, "edited": True}
    touch(
        report,
        *("draft", "form", "draft_revision", "draft_saved_at", "author", "resident"),
        "particulars",
    )
    context.about(report, report.order)
    return report.draft_revision


def lock(public_id: str) -> Report:
    key = public_key(public_id, "report")
    orders = Report.objects.filter(public_id=key).values_list("procedures__order_id", flat=True)
    lock_orders(orders)
    report = (
        Report.objects.select_for_update(of=("self",))
        .select_related("order__patient")
        .filter(public_id=key)
        .first()
    )
    if report is None:
        raise UnknownKeyError("no such report")
    return report


def clean(sections: Mapping[str, str]) -> dict[str, str]:
    unknown = set(sections) - _KEYS
    if unknown:
        raise InvalidValueError(f"no such section: {sorted(unknown)[0]}", path="sections")
    return {key: text.strip() for key, text in sections.items() if text.strip()}


def require_standing(report: Report) -> None:
    """Refuse what is done to a report that was thrown away or withdrawn."""
    if report.status in CLOSED:
        raise StateConflictError("this report is closed")


def require_edited(report: Report) -> None:
    """Refuse to write on, or to sign, what is signed as final or closed."""
    require_standing(report)
    if report.status not in EDITED:
        raise StateConflictError("this report is signed: add to it, or correct it")


def require_patient(report: Report, seen: str) -> None:
    """Refuse a signature of somebody who saw another name above the text.

    A merge or a moved visit may have made the report another patient's while its page was open.
    """
    if seen and seen != str(report.order.patient.public_id):
        raise StateConflictError(
            "this report became another patient's since you opened it: look at the name, and sign "
            "again if it is right",
            path="patient",
        )


def require_exams(report: Report) -> None:
    """Refuse to sign what was written about an exam that is another order's by now.

    The text is then about somebody else's images, and would leave under this patient's name.
    """
    gone = report_exams.taken_away(report).select_related("order").first()
    if gone is not None:
        number, words = gone.order.accession_number, report_exams.words_of(gone)
        raise StateConflictError(
            f"{words} ({number}) has no exam any more: what was examined was given to another "
            "order, or was somebody else's",
            path="exams",
        )


def check_revision(report: Report, expected: int | None) -> None:
    if expected is not None and expected != report.draft_revision:
        raise StateConflictError("somebody else wrote on this report meanwhile: reload")


def require_text(sections: Mapping[str, str]) -> None:
    if not sections.get("findings") and not sections.get("impression"):
        raise MissingValueError(
            "a report needs findings or an impression", path="sections.impression"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """What is signed: the text with its answers, their codes, the template it was begun with."""

    sections: dict[str, str]
    coded: list[dict[str, str]] = field(default_factory=list)
    template: dict[str, Any] | None = None


def add_version(
    report: Report,
    kind: VersionKind,
    trigger: ReportTrigger,
    sections: dict[str, str],
    context: Context,
    *,
    reason: str = "",
    particulars: Particulars | None = None,
    proof: Proof = Proof.NONE,
    settled: Settled | None = None,
) -> int:
    """Add an immutable version and move the report.

    What came from elsewhere keeps the time at which it was signed there.
    """
    require_proof(proof, context)
    signer = signed_as(context.actor)
    sections = breast_exams.told(report, sections, kind, context)
    said_at = particulars.said_at if particulars is not None else None
    last = report.versions.order_by("-number").first()
    number = last.number + 1 if last else 1
    if last is not None and particulars is None:
        sections = {**unshown(last.sections), **sections}
    require_not_over_attending(last, context)
    note_writer(report, context)
    version = ReportVersion(
        report=report,
        number=number,
        kind=kind.value,
        sections=sections,
        reason=reason,
        author_id=report.author_id,
        signer_id=context.actor.user_id,
        signed_at=min(said_at or context.now, context.now),
        communications=communications_of(report),
        coded=[
            *(settled.coded if settled is not None else ()),
            *breast_exams.codes_of(report, kind),
        ],
        template=settled.template if settled is not None else None,
        signed_as=signer.value if signer else "",
        signed_with=proof.value if signer else "",
        resident_id=report.resident_id,
        particulars=particulars.to_json() if particulars is not None else report.particulars,
    )
    version.content_hash = hash_of(version)
    version.seal = seal_of(version, last)
    version.save(force_insert=True)
    documents.sign_with(report, number)
    reading_leases.end(report, LeaseEnd.SIGNED, context)
    report.draft = {}
    report.draft_revision += 1
    report.particulars = None
    settle(report, context)
    if particulars is not None:
        report.form = None
    move(report, REPORT, trigger, "draft", "draft_revision", "particulars", "form", *SETTLED)
    name_elsewhere(report)
    return number


def name_elsewhere(report: Report) -> None:
    """Its exams and studies say which report there is and who signed: they changed as well."""
    now = timezone.now()
    RequestedProcedure.objects.filter(reports=report).update(updated_at=now)
    PerformedProcedureStep.objects.filter(steps__procedure__reports=report).update(updated_at=now)


def say(
    event: type[ReportSigned], report: Report, kind: VersionKind, number: int, context: Context
) -> None:
    orders = {
        str(public_id) for public_id in report.procedures.values_list("order__public_id", flat=True)
    }
    context.emit(
        event(
            report=str(report.public_id),
            order=str(report.order.public_id),
            number=number,
            kind=kind.value,
            orders=tuple(sorted(orders)),
        ),
        subject=report,
        order=report.order,
    )


def orders_of(report: Report) -> list[Order]:
    return list(
        Order.objects.select_related("patient")
        .filter(procedures__reports=report)
        .distinct()
        .order_by("id")
    )
