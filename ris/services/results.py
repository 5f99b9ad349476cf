"""Reports that were written elsewhere become reports here, as far as their sender is trusted.

The steps are those of a radiologist at a page: opened, drafted, signed, amended, withdrawn. What
somebody here has written or signed is never changed from outside: such a message is refused, and a
person sees it among the exceptions.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from django.db.models import Q

from ris.domain.actors import Role
from ris.domain.errors import (
    DeniedError,
    MissingValueError,
    StateConflictError,
    UnknownKeyError,
)
from ris.domain.mammography import without_line
from ris.domain.orders import Stage
from ris.domain.places import Place
from ris.domain.report_templates import WRITTEN
from ris.domain.reporting import (
    ADDED,
    LIVE,
    AmendReport,
    DiscardDraft,
    FinalizeReport,
    OpenReport,
    ReportStatus,
    RetractReport,
    SaveDraft,
    SignPreliminary,
    VersionKind,
    unshown,
)
from ris.domain.results import (
    AddendumDialect,
    FileResult,
    Particulars,
    ResultLevel,
    ResultReference,
    WithdrawResult,
    with_observations,
)
from ris.models import Report, ReportVersion, RequestedProcedure
from ris.selectors.report_exams import is_done, is_readable
from ris.services import documents, reading_leases
from ris.services._context import Context
from ris.services._references import require_order, require_patient_of
from ris.services.reporting.amending import amend_report, retract_report
from ris.services.reporting.parts import name_elsewhere
from ris.services.reporting.signing import finalize_report, sign_preliminary
from ris.services.reporting.writing import discard_draft, open_report, save_draft

_SIGNED = frozenset({ReportStatus.FINAL.value, ReportStatus.AMENDED.value})


def file_result(command: FileResult, context: Context) -> str:
    if not (command.sections or command.observations or command.attachments):
        raise MissingValueError("the report has no text", path="text")
    procedures = _procedures(command.references, context, command)
    report = _report_on(procedures)
    if report is None:
        _require_performed(procedures)
        key = open_report(
            OpenReport(procedures=tuple(str(each.public_id) for each in procedures)), context
        )
        report = Report.objects.select_related("order__patient").get(public_id=key)
    work = _Filing(command, context, report)
    work.file()
    context.about(report, report.order)
    return str(report.public_id)


def withdraw_result(command: WithdrawResult, context: Context) -> str:
    procedures = _procedures(command.references, context, command)
    report = _report_on(procedures)
    if report is None:
        raise UnknownKeyError("there is no report to withdraw", path=Place.ACCESSION)
    key = str(report.public_id)
    if report.status == ReportStatus.DRAFT.value:
        _require_untouched(report)
        _require_own(report, context)
        documents.supersede(report)
        discard_draft(DiscardDraft(report=key), context)
        return key
    last = _last(report)
    if last is None or last.signer_id is not None:
        raise StateConflictError(
            "this report was signed here: whoever signed it withdraws it", path="status"
        )
    _require_from(last, context)
    _require_untouched(report)
    if not command.permitted:
        raise DeniedError("this sender may not withdraw signed reports", path="status")
    retract_report(RetractReport(report=key, reason=command.reason), context)
    return key


# --- which exams, which report ------------------------------------------------------------------


def _procedures(
    references: Iterable[ResultReference], context: Context, command: FileResult | WithdrawResult
) -> list[RequestedProcedure]:
    found: dict[int, RequestedProcedure] = {}
    for reference in references:
        order = require_order(reference.order)
        require_patient_of(order, command.patient)
        every = list(
            RequestedProcedure.objects.select_related("order__patient")
            .filter(~Q(stage=Stage.CANCELED.value) | is_done(), order=order)
            .order_by("id")
        )
        for procedure in _meant(reference, every):
            found[procedure.pk] = procedure
    if len({procedure.order.patient_id for procedure in found.values()}) > 1:
        raise StateConflictError("these exams belong to different patients", path=Place.PATIENT)
    return list(found.values())


def _meant(
    reference: ResultReference, every: Sequence[RequestedProcedure]
) -> list[RequestedProcedure]:
    """By Study Instance UID, else by code, else the only one."""
    if not every:
        raise StateConflictError("all exams of this order were canceled", path=Place.ACCESSION)
    if reference.study_instance_uids:
        wanted = set(reference.study_instance_uids)
        found = [each for each in every if each.study_instance_uid in wanted]
        if len(found) < len(wanted):
            raise UnknownKeyError("this study is not one of the order's", path=Place.STUDY)
        return found
    code = reference.code.value.upper()
    coded = [each for each in every if code and each.code_value.upper() == code]
    if len(coded) == 1:
        return coded
    if len(every) != 1:
        raise UnknownKeyError(
            "the order has several exams: its Study Instance UID is required", path=Place.STUDY
        )
    return list(every)


def _report_on(procedures: Sequence[RequestedProcedure]) -> Report | None:
    """The live report on all of them; while it is a draft it takes in those it leaves out."""
    reports = list(
        Report.objects.select_for_update(of=("self",))
        .select_related("order__patient")
        .filter(
            pk__in=Report.objects.filter(procedures__in=procedures, status__in=LIVE).values("pk")
        )
        .order_by("id")
    )
    if len(reports) > 1:
        raise StateConflictError("these exams have separate reports here", path=Place.ACCESSION)
    if not reports:
        return None
    (report,) = reports
    covered = set(report.procedures.values_list("pk", flat=True))
    missing = [each for each in procedures if each.pk not in covered]
    if missing and report.status != ReportStatus.DRAFT.value:
        raise StateConflictError("the signed report is about fewer exams", path=Place.ACCESSION)
    _require_performed(missing)
    report.procedures.add(*missing)
    if missing:
        name_elsewhere(report)
    return report


def _require_performed(procedures: Iterable[RequestedProcedure]) -> None:
    for procedure in procedures:
        if not is_readable(procedure):
            raise StateConflictError(
                "there is nothing to report on yet: the exam was not done", path=Place.ACCESSION
            )


def _require_untouched(report: Report) -> None:
    """Refuse to take the place of what somebody here wrote; a template's text is nobody's yet."""
    particulars = report.particulars or {}
    written = report.draft and report.draft_saved_at is not None
    if written and (not particulars or particulars.get("edited")):
        raise StateConflictError("somebody here is writing on this report", path="status")


def _require_own(report: Report, context: Context) -> None:
    """Refuse to take back what another system wrote."""
    source = (report.particulars or {}).get("source")
    if report.draft and source != context.actor.name:
        raise StateConflictError("this draft came from another sender", path="status")


def _require_from(last: ReportVersion, context: Context) -> None:
    """Refuse to withdraw or replace what another system signed."""
    if (last.particulars or {}).get("source") != context.actor.name:
        raise StateConflictError("this report came from another sender", path="status")


def _last(report: Report) -> ReportVersion | None:
    return report.versions.order_by("-number").first()


def _as_sent(version: ReportVersion) -> dict[str, str]:
    """Its text without the line that an assessment here added to it."""
    impression = without_line(version.sections.get("impression", ""))
    return {
        key: text for key, text in {**version.sections, "impression": impression}.items() if text
    }


# --- what it becomes ----------------------------------------------------------------------------


class _Filing:
    """One report from elsewhere, on its way into ours."""

    def __init__(self, command: FileResult, context: Context, report: Report) -> None:
        self.command = command
        self.context = context
        self.report = report
        self.key = str(report.public_id)
        self.level = min(command.level, command.trusted)
        self.particulars = Particulars(
            source=context.actor.name,
            interpreter=command.interpreter,
            interpreter_identifier=command.interpreter_identifier,
            assistant=command.assistant,
            transcriptionist=command.transcriptionist,
            said_at=command.said_at,
            comments=command.comments,
            observations=tuple(
                replace(each, source=context.actor.name) for each in command.observations
            ),
            sections=command.sections,
        )

    def file(self) -> None:
        if self.report.status in _SIGNED:
            self._over_signed()
            return
        _require_untouched(self.report)
        if self.level is ResultLevel.DRAFT:
            self._require_nobody_reads()
            self._draft()
            return
        if self._is_repeated(self.level):
            return
        self._require_may_follow()
        documents.supersede(self.report)
        self._attach()
        sections = self._with_text(self._said())
        if self.level is ResultLevel.FINAL:
            finalize_report(
                FinalizeReport(report=self.key, sections=sections, particulars=self.particulars),
                self.context,
            )
        else:
            sign_preliminary(
                SignPreliminary(report=self.key, sections=sections, particulars=self.particulars),
                self.context,
            )

    def _require_nobody_reads(self) -> None:
        """A text that has to be signed here does not slip under the hands of who writes here.

        What was signed there is not kept waiting by an open page.
        """
        lease = reading_leases.present(self.report)
        if lease is not None and reading_leases.is_alive(lease, self.context):
            raise StateConflictError("somebody here is reading this exam", path="status")

    def _require_may_follow(self) -> None:
        """A preliminary report that was signed here is followed by a final one at least."""
        last = _last(self.report)
        if last is not None and last.signer_id is not None and self.level is not ResultLevel.FINAL:
            raise StateConflictError("a preliminary report was signed here", path="status")

    def _said(self) -> dict[str, str]:
        return with_observations(self.command.sections, self.command.observations)

    def _draft(self) -> None:
        """Beside the text of one system may stand the coded results of others."""
        earlier = Particulars.from_json(self.report.particulars) if self.report.draft else None
        mine = self.particulars
        if earlier is not None and earlier.source != mine.source:
            if earlier.sections and mine.sections:
                raise StateConflictError("the draft of another sender waits here", path="status")
            main = mine if mine.sections else earlier
        else:
            documents.supersede(self.report)
            main = mine
        others = tuple(
            each
            for each in (earlier.observations if earlier is not None else ())
            if each.source != mine.source
        )
        particulars = replace(main, observations=(*others, *mine.observations))
        self._attach()
        sections = with_observations(particulars.sections, particulars.observations)
        save_draft(
            SaveDraft(
                report=self.key,
                sections=_as_written(self._with_text(sections)),
                particulars=particulars,
            ),
            self.context,
        )

    def _is_repeated(self, level: ResultLevel) -> bool:
        """What is the last version already makes no other one."""
        last = _last(self.report)
        said = VersionKind.FINAL if level is ResultLevel.FINAL else VersionKind.PRELIMINARY
        return (
            level is not ResultLevel.DRAFT
            and last is not None
            and last.kind == said.value
            and _as_sent(last) == self._stripped()
            and not self.command.attachments
        )

    def _stripped(self) -> dict[str, str]:
        return {key: text.strip() for key, text in self._said().items() if text.strip()}

    def _with_text(self, sections: Mapping[str, str]) -> dict[str, str]:
        """A report that is nothing but a document says so, for whoever reads the text."""
        said = dict(sections)
        if not said.get("findings") and not said.get("impression"):
            said["findings"] = (
                "See the attached document."
                if self.command.attachments
                else said.get("findings", "")
            )
        return {key: text for key, text in said.items() if text}

    def _attach(self) -> None:
        for content in self.command.attachments:
            documents.keep(
                content,
                self.context,
                patient=self.report.order.patient,
                order=self.report.order,
                report=self.report,
            )

    # --- over a signed report

    def _over_signed(self) -> None:
        last = _last(self.report)
        assert last is not None  # noqa: S101 - it was signed
        said = self._stripped()
        before = _as_sent(last)
        if said == before and self.level is ResultLevel.FINAL and not self.command.attachments:
            return  # told once more
        added = self._added(said, before)
        if added and self.level is not ResultLevel.FINAL and said == {"addendum": added}:
            raise StateConflictError(
                "an addendum of this sender has to be signed here", path="status"
            )
        if self.level is not ResultLevel.FINAL:
            raise StateConflictError("this report is signed: it can be amended only", path="status")
        if not added and not self.command.correction:
            raise StateConflictError(
                "this report is final: only a correction (C) replaces it", path="status"
            )
        if last.signer_id is not None and not added:
            raise StateConflictError(
                "this report was signed here: whoever signed it corrects it", path="status"
            )
        if not added:
            _require_from(last, self.context)
        self._attach()
        kind = VersionKind.ADDENDUM if added else VersionKind.CORRECTION
        amend_report(
            AmendReport(
                report=self.key,
                kind=kind,
                sections={"addendum": added} if added else self._with_text(said),
                reason=f"told by {self.context.actor.name}",
                particulars=self.particulars,
            ),
            self.context,
        )

    def _added(self, said: Mapping[str, str], before: Mapping[str, str]) -> str:
        """The text of an addendum, if what was said is one; empty if it is another report."""
        dialect = self.command.addendum
        if dialect is AddendumDialect.ONLY:
            return "\n\n".join(text for _, text in sorted(said.items(), key=_reading_order))
        body = {key: text for key, text in said.items() if key != "addendum"}
        stood = {key: text for key, text in before.items() if key != "addendum"}
        added = said.get("addendum", "")
        if not added or (body and body != stood):
            return ""
        if dialect is AddendumDialect.WHOLE and not self.command.correction:
            return ""
        earlier = before.get("addendum", "")
        return added.removeprefix(earlier).strip() if earlier else added


def _as_written(sections: Mapping[str, str]) -> dict[str, str]:
    """What the editor does not show is told with the findings, for whoever signs."""
    said = {key: text for key, text in sections.items() if key not in ADDED}
    unseen = [text for _, text in sorted(unshown(sections).items())]
    if unseen:
        said["findings"] = "\n\n".join(filter(None, (said.get("findings"), *unseen)))
    return said


def _reading_order(item: tuple[str, str]) -> int:
    return WRITTEN.index(item[0]) if item[0] in WRITTEN else len(WRITTEN)


HANDLERS = {FileResult: file_result, WithdrawResult: withdraw_result}

PERMISSIONS = {
    FileResult: {Role.INTERFACE, Role.SYSTEM},
    WithdrawResult: {Role.INTERFACE, Role.SYSTEM},
}
