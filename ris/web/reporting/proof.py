"""What a person shows at the moment of signing, where the site asks for it.

The password and the code are looked at by allauth, which counts wrong ones as it counts those of
the login (``ACCOUNT_RATE_LIMITS``); each code is taken once (``ris.web.accounts.codes``). The door
refuses a signature that comes without (``ris.services.reporting.residents``).
"""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _

from ris import config
from ris.domain.errors import InvalidValueError, MissingValueError
from ris.domain.signatures import Proof
from ris.services.audit import record_security
from ris.web.access import PageRequest


def asked_for() -> Proof:
    return Proof(config.load().reports.sign_with)


def has_second_factor(request: PageRequest) -> bool:
    """Whether this login has an authenticator app."""
    from allauth.mfa.models import Authenticator
    from allauth.mfa.utils import is_mfa_enabled

    return bool(is_mfa_enabled(request.user, types=[Authenticator.Type.TOTP]))


def proof_context(request: PageRequest) -> dict[str, Any]:
    """What a form that signs asks for (``reporting/_proof.html``)."""
    proof = asked_for()
    can_show = proof is not Proof.SECOND_FACTOR or has_second_factor(request)
    return {
        "signs_with": proof.value,
        "can_show_proof": can_show,
        "asks_proof": can_show and proof is not Proof.NONE,
    }


def proof_of(request: PageRequest, subject: str) -> Proof:
    """What was shown with this form. A wrong password or code is refused and audited."""
    proof = asked_for()
    if proof is Proof.NONE:
        return proof
    shown = request.POST.get("proof", "")[:200]
    if not shown:
        if proof is Proof.FIRST_FACTOR:
            raise MissingValueError("sign with your password", path="proof")
        raise MissingValueError("sign with a code of your authenticator app", path="proof")
    refusals = _refusals(request, proof, shown)
    if not refusals:
        return proof
    record_security(
        request.actor, action="RefuseSignature", detail={"subject": subject, "asked": proof.value}
    )
    if proof is Proof.SECOND_FACTOR and not has_second_factor(request):
        raise InvalidValueError(
            "this site signs with a second factor: set one up under your account", path="proof"
        )
    raise InvalidValueError(" ".join(refusals).rstrip("."), path="proof")


def _refusals(request: PageRequest, proof: Proof, shown: str) -> list[str]:
    """Why a password or code is not taken; a code that is taken is used up."""
    from allauth.account.forms import ReauthenticateForm as PasswordForm

    from ris.web.accounts.codes import CodeForm

    if proof is Proof.FIRST_FACTOR:
        form = PasswordForm({"password": shown}, user=request.user)
    else:
        form = CodeForm({"code": shown.strip()}, user=request.user)
    if not form.is_valid():
        found = [str(text) for errors in form.errors.values() for text in errors]
        return found or [_("that is not right")]
    if proof is Proof.SECOND_FACTOR:
        form.authenticator.record_usage()
    return []
