"""Sets that are saved as a whole: whoever saves one saves over what he saw, not what came since."""

from __future__ import annotations

from collections.abc import Callable

from ris.domain.errors import StateConflictError
from ris.domain.sets import version_of
from ris.services._locks import lock_name


def require_as_shown(name: str, present: Callable[[], object], expected: str | None) -> None:
    """Refuse what was made from another state of the set than the present one.

    ``present`` is asked once nobody else is saving the set. None: whoever saves saw no form.
    """
    lock_name(f"ris.set of {name}")
    if expected is not None and expected != version_of(present()):
        raise StateConflictError("somebody else changed this meanwhile: reload")
