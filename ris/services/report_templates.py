"""Make report templates and macros, and begin drafts with them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TypeVar

from django.db.models import QuerySet

from ris.domain import report_codes
from ris.domain.actors import Role
from ris.domain.errors import (
    DeniedError,
    DuplicateKeyError,
    InvalidValueError,
    MissingValueError,
    StateConflictError,
    UnknownKeyError,
)
from ris.domain.report_codes import Answered
from ris.domain.report_templates import (
    LONGEST_TEXT,
    ApplyReportTemplate,
    DefineReportTemplate,
    DeleteMacro,
    DraftForm,
    DropReportTemplate,
    FillFromExam,
    ReportMacroChanged,
    ReportTemplateChanged,
    RetireReportTemplate,
    SaveMacro,
    checked,
)
from ris.domain.reporting import EDITED
from ris.models import (
    ProcedureDefinition,
    Report,
    ReportMacro,
    ReportTemplate,
    ReportTemplateVersion,
)
from ris.selectors.report_templates import content_of, template_line
from ris.services import reading_leases
from ris.services._context import Context
from ris.services._locks import public_key
from ris.services._transition import touch
from ris.services.reporting.forms import answered, begun, merge, require_codes_kept
from ris.services.reporting.parts import check_revision, clean, keep_draft, lock

R = TypeVar("R", ReportTemplate, ReportMacro)

_SITE = (Role.RADIOLOGIST, Role.MANAGER, Role.ADMIN)


# --- templates ----------------------------------------------------------------------------------


def define_report_template(command: DefineReportTemplate, context: Context) -> str:
    name = " ".join(command.name.split())
    if not name:
        raise MissingValueError("a template needs a name", path="name")
    if len(name) > 120:
        raise InvalidValueError("this name is too long", path="name")
    content = checked(command.content)
    _check_procedures(command.procedures)
    row = _changeable(command.template, context) if command.template else _new(command, context)
    if command.expected_number is not None and command.expected_number != row.number:
        raise StateConflictError("somebody else changed this template meanwhile: reload")
    if _named(row, name).exists():
        raise DuplicateKeyError("there is a template of this name", path="name")
    made = row.pk is None
    row.name, row.language = name, command.language[:16]
    row.modalities = list(dict.fromkeys(command.modalities))
    row.procedures = list(dict.fromkeys(command.procedures))
    row.regions = list(dict.fromkeys(command.regions))
    row.sites = list(dict.fromkeys(command.sites))
    row.automatic = command.automatic
    row.number += 1
    if made:
        row.save()
    else:
        touch(
            row,
            *("name", "language", "modalities", "procedures", "regions", "sites"),
            *("automatic", "number"),
        )
    ReportTemplateVersion.objects.create(
        template=row,
        number=row.number,
        content=content.to_json(),
        made_at=context.now,
        made_by=context.actor.display,
    )
    _tell(row, "made" if made else "changed", context)
    return str(row.public_id)


def retire_report_template(command: RetireReportTemplate, context: Context) -> None:
    row = _changeable(command.template, context)
    if command.retired == (row.retired_at is not None):
        context.about(row)
        return
    if not command.retired and _named(row, row.name).exists():
        raise DuplicateKeyError("there is another template of this name by now", path="name")
    row.retired_at = context.now if command.retired else None
    touch(row, "retired_at")
    _tell(row, "retired" if command.retired else "offered again", context)


def _new(command: DefineReportTemplate, context: Context) -> ReportTemplate:
    if command.own:
        return ReportTemplate(owner_id=_login(context))
    context.require(*_SITE, doing="making a template for everybody")
    return ReportTemplate()


def _changeable(public_id: str, context: Context) -> ReportTemplate:
    return _own_or_site(ReportTemplate.objects.all(), public_id, "template", context)


def _own_or_site(rows: QuerySet[R], public_id: str, what: str, context: Context) -> R:
    """One's own, or one of the site if one may change those; somebody else's is not there."""
    row = rows.select_for_update(of=("self",)).filter(public_id=public_key(public_id, what)).first()
    if row is None or (row.owner_id is not None and row.owner_id != context.actor.user_id):
        raise UnknownKeyError(f"no such {what}")
    if row.owner_id is None:
        context.require(*_SITE, doing=f"changing a {what} of the site")
    return row


def _named(row: ReportTemplate, name: str) -> QuerySet[ReportTemplate]:
    """The others that are offered under a name, however it is capitalized."""
    same = ReportTemplate.objects.filter(owner=row.owner_id, name__iexact=name, retired_at=None)
    return same.exclude(pk=row.pk)


def _check_procedures(codes: Iterable[str]) -> None:
    wanted = set(codes)
    known = set(ProcedureDefinition.objects.filter(code__in=wanted).values_list("code", flat=True))
    if wanted - known:
        raise InvalidValueError(
            f"the catalog has no procedure {sorted(wanted - known)[0]}", path="procedures"
        )


def _login(context: Context) -> int:
    if context.actor.user_id is None:
        raise DeniedError("templates and macros of one's own belong to a login")
    return context.actor.user_id


def _tell(row: ReportTemplate, what: str, context: Context) -> None:
    """What concerns others is told; what somebody keeps for themselves is only audited."""
    if row.owner_id is not None:
        context.about(row)
        return
    context.emit(
        ReportTemplateChanged(
            template=str(row.public_id), template_name=row.name, number=row.number, what=what
        ),
        subject=row,
    )


# --- a draft and its form -----------------------------------------------------------------------


def _writing(report: str, expected: int | None, context: Context) -> Report:
    row = lock(report)
    if row.status not in EDITED:
        raise StateConflictError("this report is signed or closed: there is nothing to write")
    reading_leases.hold_telling(row, context)
    check_revision(row, expected)
    return row


def apply_report_template(command: ApplyReportTemplate, context: Context) -> int:
    report = _writing(command.report, command.expected_revision, context)
    line = template_line(command.template, context.actor.user_id)
    if line.retired_at is not None:
        raise StateConflictError("this template is retired")
    content = content_of(line.public_id, line.number)
    said, earlier = answered(report, command.sections, command.answers)
    before = _standing(earlier, said)
    sections, form = begun(report, content, said, before)
    form = replace(form, template=line.public_id, number=line.number, name=line.name)
    text = clean(sections)
    require_codes_kept(before, form, content, text, command.without_codes)
    return keep_draft(report, text, form, context)


def fill_from_exam(command: FillFromExam, context: Context) -> int:
    report = _writing(command.report, command.expected_revision, context)
    said, form = answered(report, command.sections, command.answers)
    if form is None:
        raise StateConflictError("this report was begun without a template")
    content = content_of(form.template, form.number)
    sections, merged = merge(report, content, said)
    names = {each.name for each in merged}
    kept = tuple(each for each in form.merged if each.name not in names)
    form = replace(form, merged=(*kept, *merged))
    return keep_draft(report, clean(sections), form, context)


def drop_report_template(command: DropReportTemplate, context: Context) -> int:
    report = _writing(command.report, command.expected_revision, context)
    said, form = answered(report, command.sections, command.answers)
    require_codes_kept(_standing(form, said), None, None, said, command.without_codes)
    return keep_draft(report, said, None, context)


def _standing(form: DraftForm | None, sections: dict[str, str]) -> list[Answered]:
    """The answers of a draft that its text says."""
    if form is None:
        return []
    content = content_of(form.template, form.number)
    return [each for each in report_codes.answered(form, content, sections) if each.stands]


# --- macros -------------------------------------------------------------------------------------


def save_macro(command: SaveMacro, context: Context) -> str:
    name = command.name.strip().lstrip(".")
    text = command.text.strip()
    if not name or not text:
        raise MissingValueError("a macro needs a name and a text", path="name" if text else "text")
    if len(name) > 30 or any(letter.isspace() for letter in name):
        raise InvalidValueError(
            "the name of a macro is one word of at most 30 letters", path="name"
        )
    if len(text) > LONGEST_TEXT:
        raise InvalidValueError("this text is too long", path="text")
    if command.macro:
        row = _macro(command.macro, context)
    elif command.own:
        row = ReportMacro(owner_id=_login(context))
    else:
        context.require(*_SITE, doing="making a macro for everybody")
        row = ReportMacro()
    same = ReportMacro.objects.filter(owner=row.owner_id, name__iexact=name)
    if same.exclude(pk=row.pk).exists():
        raise DuplicateKeyError("there is a macro of this name", path="name")
    row.name, row.text = name, text
    row.save()
    _tell_macro(row, "saved", context)
    return str(row.public_id)


def delete_macro(command: DeleteMacro, context: Context) -> None:
    row = _macro(command.macro, context)
    _tell_macro(row, "deleted", context)
    row.delete()


def _macro(public_id: str, context: Context) -> ReportMacro:
    return _own_or_site(ReportMacro.objects.all(), public_id, "macro", context)


def _tell_macro(row: ReportMacro, what: str, context: Context) -> None:
    if row.owner_id is not None:
        context.about(row)
        return
    context.emit(
        ReportMacroChanged(macro=str(row.public_id), macro_name=row.name, what=what), subject=row
    )


HANDLERS = {
    DefineReportTemplate: define_report_template,
    RetireReportTemplate: retire_report_template,
    ApplyReportTemplate: apply_report_template,
    FillFromExam: fill_from_exam,
    DropReportTemplate: drop_report_template,
    SaveMacro: save_macro,
    DeleteMacro: delete_macro,
}

_WRITERS = {Role.RADIOLOGIST, Role.RESIDENT}
_MAKERS = {*_SITE, Role.RESIDENT}

PERMISSIONS = {
    DefineReportTemplate: _MAKERS,
    RetireReportTemplate: _MAKERS,
    ApplyReportTemplate: _WRITERS,
    FillFromExam: _WRITERS,
    DropReportTemplate: _WRITERS,
    SaveMacro: _MAKERS,
    DeleteMacro: _MAKERS,
}
