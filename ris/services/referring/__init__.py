"""Referring doctors: access, requests, acknowledged results, notices; and the guard around them.

A login with the role may give the commands of this package, each of which looks at the rows it is
about, and a few of its own account. The guard refuses every other one, whatever a permission
table says: whoever lets one more role do something need not think of this one.
"""

from __future__ import annotations

from typing import Any

from ris.domain.actors import Role
from ris.domain.commands import Command
from ris.domain.errors import DeniedError
from ris.domain.preferences import SetPreferences
from ris.domain.referring import (
    AcknowledgeFinding,
    AcknowledgeResult,
    AnswerDepartment,
    GrantReferrerAccess,
    RequestExams,
    RevokeReferrerAccess,
    SendResultNotices,
    SetResultNotices,
    WithdrawRequest,
)
from ris.services._context import Context
from ris.services._execute import register_guard
from ris.services.referring.access import grant_referrer_access, revoke_referrer_access
from ris.services.referring.notices import (
    plan as plan,
)
from ris.services.referring.notices import (
    run_due as run_due,
)
from ris.services.referring.notices import (
    send_result_notices,
    set_result_notices,
)
from ris.services.referring.notices import (
    why_not_now as why_not_now,
)
from ris.services.referring.requesting import (
    answer_department,
    request_exams,
    withdraw_request,
)
from ris.services.referring.results import acknowledge_finding, acknowledge_result
from ris.services.referring.results import note_opened as note_opened

_OWN: frozenset[type[Command[Any]]] = frozenset(
    {
        RequestExams,
        WithdrawRequest,
        AnswerDepartment,
        AcknowledgeResult,
        AcknowledgeFinding,
        SetResultNotices,
        SetPreferences,
    }
)


def guard(command: Command[Any], context: Context) -> None:
    """A referring doctor does what the referring doctor's pages offer."""
    if type(command) not in _OWN:
        raise DeniedError("this is not for referring doctors")


register_guard(Role.REFERRER, guard)

HANDLERS = {
    GrantReferrerAccess: grant_referrer_access,
    RevokeReferrerAccess: revoke_referrer_access,
    RequestExams: request_exams,
    WithdrawRequest: withdraw_request,
    AnswerDepartment: answer_department,
    AcknowledgeResult: acknowledge_result,
    AcknowledgeFinding: acknowledge_finding,
    SetResultNotices: set_result_notices,
    SendResultNotices: send_result_notices,
}

_SETUP = {Role.MANAGER, Role.ADMIN, Role.SYSTEM}

PERMISSIONS = {
    GrantReferrerAccess: _SETUP,
    RevokeReferrerAccess: _SETUP,
    RequestExams: {Role.REFERRER},
    WithdrawRequest: {Role.REFERRER},
    AnswerDepartment: {Role.REFERRER},
    AcknowledgeResult: {Role.REFERRER},
    AcknowledgeFinding: {Role.REFERRER},
    SetResultNotices: {Role.REFERRER},
    SendResultNotices: {Role.SYSTEM},
}
