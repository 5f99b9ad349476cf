"""Static files are found once in a test process, and not again by the client of each test.

A client loads the middleware at its first request, and WhiteNoise's then works out the headers of
each file of ours and of the admin pages: ten milliseconds, for thousands of clients.
"""

from __future__ import annotations

from typing import Any

from whitenoise.middleware import WhiteNoiseMiddleware

_find = WhiteNoiseMiddleware.add_files_from_finders
_found: dict[tuple[str, int], dict[str, Any]] = {}


def find_once() -> None:
    WhiteNoiseMiddleware.add_files_from_finders = _add


def _add(middleware: Any) -> None:
    key = middleware.static_prefix, middleware.max_age
    if key not in _found:
        _find(middleware)
        _found[key] = dict(middleware.files)
    middleware.files.update(_found[key])
