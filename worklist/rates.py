"""How many queries a minute an AE title may send (dicom.md SEC-06)."""

from __future__ import annotations

from typing import Final

_MOST_KEPT: Final = 1_000


class Rates:
    """A bucket for each limited AE title: a minute's worth may come at once, then it refills.

    Kept over the end of associations, or a new one for each query would get around it.
    """

    def __init__(self) -> None:
        self._per_minute: dict[str, int] = {}
        self._left: dict[str, tuple[float, float]] = {}  # what is left, and when that was

    def allow(self, ae_title: str, per_minute: int | None) -> None:
        """Set or lift the limit."""
        if per_minute is not None:
            self._per_minute[ae_title] = per_minute
        elif self._per_minute.pop(ae_title, None) is not None:
            self._left.pop(ae_title, None)

    def take(self, ae_title: str, now: float) -> bool:
        """Count a query; False if it is one too many."""
        most = self._per_minute.get(ae_title)
        if most is None:
            return True
        left, then = self._left.get(ae_title, (float(most), now))
        left = min(float(most), left + (now - then) * most / 60)
        allowed = left >= 1
        if ae_title not in self._left and len(self._left) >= _MOST_KEPT:
            self._left.clear()
        self._left[ae_title] = (left - 1 if allowed else left, now)
        return allowed
