"""What the page of a report shows of reading it: who does, earlier exams, viewers, the way on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ris.selectors.reading_leases import LeaseView
from ris.selectors.views import ProcedureView, ReportView
from ris.web.access import PageRequest
from ris.web.reporting.presence_views import UNSIGNED, presence_context
from ris.web.reporting.reading_views import goes_on
from ris.web.viewing import links_to_images


def reading_context(
    request: PageRequest,
    view: ReportView,
    covered: Sequence[ProcedureView],
    *,
    lease: LeaseView | None,
    shown: str,
    can_write: bool,
) -> dict[str, Any]:
    """``editable`` is false while somebody else reads; ``shut`` says that it is so.

    Whoever typed something that was refused keeps the editor with it: ``can_write``. ``shown`` is
    the exam whose images are opened.
    """
    unsigned = view.status in UNSIGNED
    found = presence_context(request, lease if unsigned else None, unsigned=unsigned)
    may_write = unsigned and can_write
    free = found["held"] is None
    return {
        **found,
        "report_key": view.public_id,
        "editable": may_write and free,
        "shut": may_write and not free,
        "was_reading": may_write and free,
        "viewers": links_to_images(shown),
        "goes_on": goes_on(request),
        "walk": covered[0].public_id if covered else "",
    }
