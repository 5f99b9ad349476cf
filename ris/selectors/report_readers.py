"""Who read a report: what the audit trail says of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

from django.db.models import Q

from ris.models import AuditEvent, Order, User
from ris.selectors.reports import person_name

MOST = 300  # entries of the trail that are looked at, the newest


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingLook:
    """One look, or several of the same kind by the same reader one after the other."""

    at: datetime
    actor: str
    name: str  # of a person; empty for a system
    kind: str
    action: str
    times: int


def readers_of(report: str, order: Order, since: datetime | None) -> list[ReadingLook]:
    """Newest first. A page names the order it showed; another system the patient alone.

    The ordering doctor's page of an order shows its reports, once they are signed (``since``).

    Both have an index with the time, so that the search stays within one order and one patient.
    """
    said = Q(subject__startswith=f"Report {report}") | Q(subject=f"DiagnosticReport/{report}")
    own_page = Q(action=OWN_PAGE, at__gte=since) if since is not None else Q()
    of_order = AuditEvent.objects.filter(said | own_page, order=order, outcome="success")
    of_patient = AuditEvent.objects.filter(
        said, order__isnull=True, patient_id=order.patient_id, outcome="success"
    )
    rows = [
        row
        for rows in (of_order, of_patient)
        for row in rows.order_by("-at", "-id").values_list(
            "at", "actor_name", "actor_kind", "action"
        )[:MOST]
        if row[3] in READS or row[3].startswith("FHIR")
    ]
    rows.sort(key=lambda row: row[0], reverse=True)
    names = {
        user.username: person_name(user).display
        for user in User.objects.select_related("practitioner").filter(
            username__in={row[1] for row in rows if row[2] == "user"}
        )
    }
    found = []
    for same, group in groupby(rows[:MOST], key=lambda row: row[1:]):
        looks = list(group)
        actor, kind, action = same
        found.append(
            ReadingLook(
                at=looks[0][0],
                actor=actor,
                name=names.get(actor, "") if kind == "user" else "",
                kind=kind,
                action=action,
                times=len(looks),
            )
        )
    return found


# What shows a text. The list of its readers does not; it is in the trail all the same.
OWN_PAGE = "ViewOwnOrder"
READS = frozenset({"ViewReport", "PrintReport", "ViewPrior", "CompareReport", OWN_PAGE})
