"""What the page of a report shows of reading it: who does, earlier exams, viewers, the way on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ris.domain.reporting import EDITED
from ris.models import Report
from ris.selectors import reading_leases
from ris.selectors.views import ProcedureView
from ris.web.access import PageRequest
from ris.web.reporting.presence_views import presence_context
from ris.web.reporting.reading_views import goes_on
from ris.web.viewing import links_to_images


def reading_context(
    request: PageRequest,
    stored: Report,
    covered: Sequence[ProcedureView],
    *,
    shown: str,
    can_write: bool,
) -> dict[str, Any]:
    """``editable`` is false while somebody else reads; ``shut`` says that it is so.

    Whoever typed something that was refused keeps the editor with it: ``can_write``. ``shown`` is
    the exam whose images are opened. ``stored`` was read with its lease.
    """
    unsigned = stored.status in EDITED
    lease = reading_leases.of_row(stored) if unsigned else None
    found = presence_context(request, lease, unsigned=unsigned)
    may_write = unsigned and can_write
    free = found["held"] is None
    is_read = found["is_reading"] or reading_leases.is_being_written(stored)
    return {
        **found,
        "report_key": str(stored.public_id),
        "editable": may_write and free,
        "shut": may_write and not free,
        "was_reading": may_write and free and is_read,
        "viewers": links_to_images(shown),
        "goes_on": goes_on(request),
        "walk": covered[0].public_id if covered else "",
    }
