"""Whether the signed versions of reports are what was signed: hashes and seals made anew.

The database refuses to change a version (migration ``report_versions_stay``). This finds what was
changed past it: in a copy, by an administrator of the database, by a faulty disk.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ris.domain.reporting import BESIDE_THE_TEXT, VersionKind, content_hash
from ris.domain.signatures import seal, sealed_at
from ris.models import ReportVersion

BATCH = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A version that is not what was signed; ``report`` is its public id."""

    report: str
    number: int
    what: str


@dataclass(slots=True)
class Tally:
    """What was looked at so far; ``unsealed`` are versions of releases without seals."""

    reports: int = 0
    versions: int = 0
    unsealed: int = 0


def hash_of(version: ReportVersion) -> str:
    """The hash of what a version says, made anew."""
    beside = {name: getattr(version, name) for name in BESIDE_THE_TEXT}
    return content_hash(VersionKind(version.kind), version.sections, beside)


def seal_of(version: ReportVersion, before: ReportVersion | None) -> str:
    """The seal of a version that follows ``before``."""
    return seal(
        (before.seal or before.content_hash) if before is not None else "",
        {
            "number": version.number,
            "kind": version.kind,
            "content": version.content_hash,
            "reason": version.reason,
            "author": version.author_id,
            "signer": version.signer_id,
            "resident": version.resident_id,
            "as": version.signed_as,
            "with": version.signed_with,
            "at": sealed_at(version.signed_at),
            "elsewhere": version.particulars,
        },
    )


def faults(tally: Tally, batch: int = BATCH) -> Iterator[Fault]:
    """Every version that differs, a bounded number of rows in memory; ``tally`` counts along."""
    last = 0
    while True:
        reports = list(
            ReportVersion.objects.filter(report_id__gt=last)
            .order_by("report_id")
            .values_list("report_id", flat=True)
            .distinct()[:batch]
        )
        if not reports:
            return
        last = reports[-1]
        rows = (
            ReportVersion.objects.filter(report_id__in=reports)
            .select_related("report")
            .order_by("report_id", "number")
        )
        before: ReportVersion | None = None
        for version in rows.iterator(chunk_size=batch):
            if before is not None and before.report_id != version.report_id:
                before = None
            tally.versions += 1
            tally.reports += before is None
            tally.unsealed += not version.seal
            what = _wrong(version, before)
            if what:
                yield Fault(report=str(version.report.public_id), number=version.number, what=what)
            before = version


def _wrong(version: ReportVersion, before: ReportVersion | None) -> str:
    if version.number != (before.number + 1 if before is not None else 1):
        return "a version before it is missing"
    if version.content_hash != hash_of(version):
        return "its text is not what was signed"
    if not version.seal:
        # Sealed ones come after unsealed ones, never before: a seal that was taken off shows.
        return "its seal is missing" if before is not None and before.seal else ""
    if version.seal != seal_of(version, before):
        return "its signer, time or kind, or the version before it, is not what was signed"
    return ""
