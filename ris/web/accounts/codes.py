"""The forms that take a code of an authenticator app, at login and at signing.

Whether a code is right, and how many wrong ones there were, is looked at by allauth. What allauth
remembers of codes that were taken, each process remembers for itself and for half a minute only;
here it is kept with the authenticator.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from allauth.mfa.base import forms
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal import auth
from allauth.mfa.utils import decrypt
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from ris.services import codes


def _once(form: Any, check: Callable[[], Any]) -> str:
    """The code, if ``check`` finds it right; taken before, it is told so, and is no guess."""
    code = str(form.cleaned_data["code"])
    app = Authenticator.objects.filter(user=form.user, type=Authenticator.Type.TOTP).first()
    period = None if app is None else _period(app, code)
    if app is None or period is None:  # a recovery code, or a wrong one
        return str(check())
    if period <= codes.newest_taken(app.data):
        raise _used()
    shown = str(check())
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


class LoginCodeForm(forms.AuthenticateForm):  # type: ignore[misc]
    def clean_code(self) -> str:
        return _once(self, super().clean_code)


class CodeForm(forms.ReauthenticateForm):  # type: ignore[misc]
    def clean_code(self) -> str:
        return _once(self, super().clean_code)
