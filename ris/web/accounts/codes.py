"""The forms that take a code of an authenticator app, at login and at signing.

Whether a code is right, and how many wrong ones there were, is looked at by allauth. What allauth
remembers of codes that were taken, each process remembers for itself and for half a minute only;
here it is kept with the authenticator.
"""

from __future__ import annotations

from typing import Any

from allauth.mfa.base import forms
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal import auth
from allauth.mfa.utils import decrypt
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from ris.services import codes


class _Once:
    """A code that was taken before is told so, and is no guess."""

    user: Any
    cleaned_data: dict[str, Any]

    def clean_code(self) -> str:
        code = str(self.cleaned_data["code"])
        app = Authenticator.objects.filter(user=self.user, type=Authenticator.Type.TOTP).first()
        period = None if app is None else _period(app, code)
        if app is None or period is None:  # a recovery code, or a wrong one
            return str(super().clean_code())  # type: ignore[misc]
        if period <= codes.newest_taken(app.data):
            raise _used()
        shown = str(super().clean_code())  # type: ignore[misc]
        if not codes.take(app.pk, period):  # somebody showed it at the same moment
            raise _used()
        return shown


def _used() -> ValidationError:
    return ValidationError(_("This code was used already: wait for the next one."))


def _period(app: Authenticator, code: str) -> int | None:
    """Which of the periods that count now has this code."""
    secret = decrypt(app.data["secret"])
    for period in auth.yield_hotp_counters_from_time():
        value = auth.format_hotp_value(auth.hotp_value(secret, period))
        if auth.compare_user_code(actual=code, expected=value):
            return int(period)
    return None


class LoginCodeForm(_Once, forms.AuthenticateForm):  # type: ignore[misc]
    pass


class CodeForm(_Once, forms.ReauthenticateForm):  # type: ignore[misc]
    pass
