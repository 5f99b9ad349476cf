"""Which rows a client's scopes reach (SMART App Launch 2.2, finer-grained resource constraints).

A door asks :func:`reached` before it shows or changes anything, and searches with
``query.restrict``. Behind all doors stands :func:`without_foreign`: whatever an answer is made of,
a row that no scope of the client reaches is not in it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, TypeVar

from integration.fhir.criteria import allowed
from integration.fhir.outcome import HttpError
from integration.fhir.parameters import Reading
from integration.fhir.scopes import Filter

if TYPE_CHECKING:
    from integration.fhir.auth import Client
    from integration.fhir.resources import Kind

T = TypeVar("T")

_client: ContextVar[Client | None] = ContextVar("fhir_client", default=None)


@contextmanager
def a_request() -> Iterator[None]:
    """One request is answered inside; who asks is told by :func:`asked_by`."""
    token = _client.set(None)
    try:
        yield
    finally:
        _client.reset(token)


def asked_by(client: Client) -> None:
    _client.set(client)


def filters(kind: str, letters: str) -> tuple[Filter, ...] | None:
    """Those of the client that asks; None where nobody does or every row is reached."""
    client = _client.get()
    return None if client is None else client.filters(kind, letters)


def reached(
    client: Client, kind: Kind, public_ids: Sequence[str], letters: str, reading: Reading
) -> frozenset[str]:
    """Those of the ids that one of ``letters`` (of c r u d s) is granted for."""
    return allowed(kind, public_ids, client.filters(kind.name, letters), reading)


def require_read(
    client: Client, kind: Kind, public_id: str, reading: Callable[[], Reading]
) -> None:
    """Raises HttpError 404 for a row beyond the client's filters: nobody learns that it exists."""
    if client.filters(kind.name, "r") is None:
        return
    if not reached(client, kind, [public_id], "r", reading()):
        raise HttpError(404, "not-found", f"there is no {kind.name}/{public_id}")


def require_write(
    client: Client, kind: Kind, public_id: str, letter: str, reading: Callable[[], Reading]
) -> None:
    """Raises HttpError 403 for a row that the client may not change, or not make like this."""
    if client.filters(kind.name, letter) is None:
        return
    if not reached(client, kind, [public_id], letter, reading()):
        raise HttpError(
            403, "forbidden", f"the scopes of the token do not reach {kind.name}/{public_id}"
        )


def seen(kind: Kind, public_ids: Sequence[str], reading: Reading) -> frozenset[str]:
    """Those of the ids that the asking client may read; all where nobody asks."""
    client = _client.get()
    if client is None:
        return frozenset(public_ids)
    if not client.may(kind.name, "r"):
        return frozenset()
    return reached(client, kind, public_ids, "r", reading)


def without_foreign(
    kind: Kind, found: Sequence[T], id_of: Callable[[T], str], reading: Callable[[], Reading]
) -> list[T]:
    """What is found without the rows that no scope of the asking client reaches."""
    limits = filters(kind.name, "cruds")
    if not limits or not found:
        return list(found)
    own = allowed(kind, [id_of(each) for each in found], limits, reading())
    return [each for each in found if id_of(each) in own]
