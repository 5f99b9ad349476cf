"""Codes of authenticator apps are taken once (RFC 6238 5.2), whichever process was shown them."""

from __future__ import annotations

_TAKEN = "taken"  # the number of the newest period whose code was taken


def newest_taken(data: dict[str, object]) -> int:
    """Of an authenticator's own data; -1 if none of its codes was taken yet."""
    taken = data.get(_TAKEN, -1)
    return taken if isinstance(taken, int) else -1


def take(authenticator: int, period: int) -> bool:
    """Note that the code of a period was taken; False if that one or a newer one was before."""
    # Here, for the programs that serve no page do without the login's models.
    from allauth.mfa.models import Authenticator

    row = Authenticator.objects.get(pk=authenticator)
    if newest_taken(row.data) >= period:
        return False
    # One statement, so that of two who read the same only one changes it.
    unchanged = Authenticator.objects.filter(pk=authenticator, data=row.data)
    return bool(unchanged.update(data={**row.data, _TAKEN: period}))
