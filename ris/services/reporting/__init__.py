"""Write, sign, amend and withdraw reports. A version, once signed, is never changed."""

from __future__ import annotations

from ris.domain.actors import Role
from ris.domain.reporting import (
    AmendReport,
    ChooseAttending,
    CoverExams,
    DiscardDraft,
    FinalizeReport,
    OpenReport,
    RetractReport,
    ReturnReport,
    SaveDraft,
    SignPreliminary,
)
from ris.services._execute import register_reason
from ris.services.reporting.amending import amend_report, retract_report
from ris.services.reporting.attendings import choose_attending
from ris.services.reporting.covering import cover_exams
from ris.services.reporting.residents import ATTENDING_SIGNS
from ris.services.reporting.returning import return_report
from ris.services.reporting.signing import finalize_report, sign_preliminary
from ris.services.reporting.writing import discard_draft, open_report, save_draft

HANDLERS = {
    OpenReport: open_report,
    CoverExams: cover_exams,
    SaveDraft: save_draft,
    DiscardDraft: discard_draft,
    SignPreliminary: sign_preliminary,
    FinalizeReport: finalize_report,
    AmendReport: amend_report,
    RetractReport: retract_report,
    ReturnReport: return_report,
    ChooseAttending: choose_attending,
}

_ATTENDINGS = {Role.RADIOLOGIST}
_READERS = _ATTENDINGS | {Role.RESIDENT}

PERMISSIONS = {
    OpenReport: _READERS,
    CoverExams: _READERS,
    SaveDraft: _READERS,
    DiscardDraft: _READERS,
    SignPreliminary: _READERS,
    FinalizeReport: _ATTENDINGS,
    AmendReport: _ATTENDINGS,
    RetractReport: _ATTENDINGS,
    ReturnReport: _ATTENDINGS,
    ChooseAttending: _READERS | {Role.MANAGER},
}

register_reason(Role.RESIDENT, (FinalizeReport, AmendReport, RetractReport), ATTENDING_SIGNS)
