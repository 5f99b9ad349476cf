"""UIDs for the DICOM objects that versions of reports become: given once, before the first sending.

Called where an event becomes deliveries, in that transaction. What is given is bookkeeping of the
queue like the deliveries beside it, so there is no command and no event of its own; the deliveries
are what the report's page and the timeline show.
"""

from __future__ import annotations

from collections.abc import Iterable

from ris.domain.errors import UnknownKeyError
from ris.domain.identifiers import new_uid
from ris.domain.report_objects import ObjectKind
from ris.models import Report, ReportObject
from ris.services._locks import public_key


def mint(report: str, number: int, kinds: Iterable[ObjectKind], studies: Iterable[str]) -> None:
    """Give the objects of a version their UIDs, as far as they have none; one for each study.

    All versions of a kind are one series of the study.
    """
    row = Report.objects.filter(public_id=public_key(report, "report")).first()
    if row is None:
        raise UnknownKeyError("no such report")
    known = list(ReportObject.objects.filter(report=row).order_by("id"))
    series = {(each.kind, each.study_instance_uid): each.series_instance_uid for each in known}
    there = {(each.number, each.kind, each.study_instance_uid) for each in known}
    studies = tuple(studies)
    for kind in kinds:
        for study in studies:
            if (number, kind.value, study) in there:
                continue
            # Another process may write the same version again: one of the two gives the UID.
            ReportObject.objects.get_or_create(
                report=row,
                number=number,
                kind=kind.value,
                study_instance_uid=study,
                defaults={
                    "series_instance_uid": series.get((kind.value, study)) or new_uid(),
                    "sop_instance_uid": new_uid(),
                },
            )
