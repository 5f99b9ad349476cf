"""Reports as read models."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping

from django.db.models import Prefetch, QuerySet

from ris.domain.critical import communications_text
from ris.domain.errors import UnknownKeyError
from ris.domain.reporting import ReportStatus, VersionKind
from ris.domain.results import Particulars
from ris.domain.values import Identifier, PersonName
from ris.models import Report, ReportVersion, RequestedProcedure, User
from ris.selectors.views import ReportVersionView, ReportView


def person_name(user: User | None) -> PersonName:
    """A user's name as a practitioner's, else as the login has it."""
    if user is None:
        return PersonName()
    practitioner = getattr(user, "practitioner", None)
    if practitioner is not None:
        return PersonName.parse(practitioner.name)
    return PersonName.of(user.last_name or user.username, user.first_name)


def to_view(report: Report, procedures: Iterable[RequestedProcedure] | None = None) -> ReportView:
    """``report`` with its versions prefetched, and its procedures unless they are given."""
    procedures = report.procedures.all() if procedures is None else procedures
    return ReportView(
        public_id=str(report.public_id),
        status=ReportStatus(report.status),
        procedures=tuple(str(procedure.public_id) for procedure in procedures),
        versions=tuple(_version_view(version) for version in report.versions.all()),
        written=report.draft_saved_at is not None,
        updated_at=report.updated_at,
    )


def _sections(version: ReportVersion) -> Mapping[str, str]:
    """What was written, and whom critical findings were told."""
    sections: dict[str, str] = version.sections
    told = communications_text(version.communications)
    if not told:
        return sections
    earlier = sections.get("communication", "")
    return {**sections, "communication": "\n".join(filter(None, (earlier, told)))}


def _version_view(version: ReportVersion) -> ReportVersionView:
    """Who signed elsewhere is nobody's login here: the sender's word names that person."""
    particulars = Particulars.from_json(version.particulars)
    elsewhere = particulars.interpreter if particulars is not None else PersonName()
    assistant = particulars.assistant if particulars is not None else PersonName()
    resident = version.resident if version.resident_id != version.signer_id else None
    return ReportVersionView(
        number=version.number,
        kind=VersionKind(version.kind),
        sections=_sections(version),
        author=version.author.username if version.author else "",
        author_name=person_name(version.author) or elsewhere,
        signer=version.signer.username if version.signer else "",
        signer_name=person_name(version.signer) or elsewhere,
        signed_at=version.signed_at,
        content_hash=version.content_hash,
        reason=version.reason,
        particulars=particulars,
        signer_practitioner=_practitioner(version.signer),
        signer_identifier=_identifier(version.signer, particulars),
        resident=resident.username if resident else "",
        resident_name=person_name(resident) or assistant,
        resident_practitioner=_practitioner(resident),
        signed_as=version.signed_as,
        signed_with=version.signed_with,
        coded=tuple(version.coded),
        public_id=str(version.public_id),
    )


def _practitioner(user: User | None) -> str:
    practitioner = getattr(user, "practitioner", None)
    return str(practitioner.public_id) if practitioner is not None else ""


def _identifier(signer: User | None, particulars: Particulars | None) -> Identifier | None:
    """The number by which billing and the record know who signed."""
    if signer is None:
        return particulars.interpreter_identifier if particulars is not None else None
    practitioner = getattr(signer, "practitioner", None)
    if practitioner is None or not practitioner.identifier:
        return None
    return Identifier(practitioner.identifier, practitioner.issuer)


def rows(procedures: QuerySet[RequestedProcedure] | None = None) -> QuerySet[Report]:
    """Reports with all that :func:`to_view` needs: three queries.

    ``procedures`` may bring more of each procedure along.
    """
    return Report.objects.prefetch_related(
        Prefetch("procedures", procedures),
        Prefetch(
            "versions",
            ReportVersion.objects.select_related(
                "author__practitioner", "signer__practitioner", "resident__practitioner"
            ).order_by("number"),
        ),
    )


def report_view(public_id: str) -> ReportView:
    """The report; raises UnknownKeyError."""
    try:
        return to_view(rows().get(public_id=uuid.UUID(public_id)))
    except (Report.DoesNotExist, ValueError):
        raise UnknownKeyError("no such report") from None
