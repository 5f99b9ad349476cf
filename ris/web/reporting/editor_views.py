"""The editor: its sections and fields, templates, macros, text from the exam, the draft kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from ris.domain.errors import DeniedError, InvalidValueError, MissingValueError, UnknownKeyError
from ris.domain.report_codes import Answered, lost, taken_again
from ris.domain.report_fields import Field, FieldKind, MergeSource
from ris.domain.report_templates import (
    WRITTEN,
    DraftForm,
    FillFromExam,
    Merged,
    TemplateContent,
)
from ris.domain.report_texts import stands, token
from ris.domain.reporting import SECTIONS, SaveDraft
from ris.models import Report
from ris.selectors import report_templates as templates
from ris.selectors.report_values import values_for
from ris.selectors.views import OrderView, ReportView
from ris.services import may
from ris.web import labels
from ris.web.access import PageRequest, do, page, redirect_back, saw, show
from ris.web.asking import asked, carried, said, whole

SECTION = 100_000  # characters of one section; beyond this it is no text of a person
ANSWER = 5_000  # of one answer to a field
_ANSWER = "answer:"


@dataclass(frozen=True, slots=True)
class Asked:
    """A field of the template, as the editor asks for it."""

    field: Field
    number: int
    answer: str
    lead: str  # what the template says right before it
    waits: bool

    @property
    def words(self) -> str:
        return self.field.words(self.answer)

    @property
    def picked(self) -> list[str]:
        return self.answer.split("\n")

    @property
    def path(self) -> str:
        return f"field.{self.field.name}"


@dataclass(frozen=True, slots=True)
class FilledIn:
    """What came from the order or the exam; ``stands``: it is in the text as it came."""

    merged: Merged
    stands: bool


@dataclass(frozen=True, slots=True)
class Writing:
    """A section of the editor."""

    key: str
    title: str
    text: str
    rows: int
    asked: tuple[Asked, ...] = ()
    filled_in: tuple[FilledIn, ...] = ()

    @property
    def path(self) -> str:
        return f"sections.{self.key}"


_ROWS = {"findings": 10, "impression": 5}


def editor_of(
    view: ReportView,
    stored: Report,
    order: OrderView,
    typed: Mapping[str, str] | None,
    answers: Mapping[str, str],
) -> tuple[list[Writing], list[Answered]]:
    """What the editor starts from: what was just typed, else the draft, else the last version.

    ``answers`` are those just given, before what is kept. With it the answers whose codes this text
    has lost.
    """
    current: Mapping[str, str] = view.current.sections if view.current else {}
    known = typed if typed is not None else stored.draft or current
    if not known:
        known = {"indication": order.reason}
    form, content = form_of(stored)
    sections = [
        Writing(
            key,
            labels.SECTION[key].words,
            known.get(key, ""),
            _ROWS.get(key, 2),
            _asked(form, content, key, known.get(key, ""), answers),
            _filled_in(form, key, known.get(key, "")),
        )
        for key in WRITTEN
    ]
    return sections, lost(form, content, known)


def _asked(
    form: DraftForm | None,
    content: TemplateContent | None,
    key: str,
    text: str,
    answers: Mapping[str, str],
) -> tuple[Asked, ...]:
    if form is None or content is None:
        return ()
    numbers = {each.name: number for number, each in enumerate(content.fields)}
    return tuple(
        Asked(
            each,
            numbers[each.name],
            answers.get(each.name, form.answers.get(each.name, "")),
            form.lead(content, key, each.name),
            token(each.name) in text,
        )
        for section, each in form.asked(content)
        if section == key and each.kind is not FieldKind.MERGE
    )


def _filled_in(form: DraftForm | None, key: str, text: str) -> tuple[FilledIn, ...]:
    found = form.merged if form is not None else ()
    return tuple(FilledIn(each, stands(text, each.words)) for each in found if each.section == key)


def typed_in(request: HttpRequest) -> dict[str, str]:
    """What stands in the editor, whole: what is refused is shown again as it was typed."""
    return {key: whole(request, key) for key, _ in SECTIONS if key in request.POST}


def written_in(request: HttpRequest) -> dict[str, str]:
    """What stands in the editor, to be kept: what is too long is refused, never cut."""
    sections = typed_in(request)
    for key, title in SECTIONS:
        require_at_most(SECTION, sections.get(key, ""), title, f"sections.{key}")
    for name, answer in answers_in(request).items():
        require_at_most(ANSWER, answer, name, f"field.{name}")
    return sections


def require_at_most(limit: int, text: str, name: str, path: str) -> None:
    """Refuse a text with more characters than it may have: a report is not cut in silence."""
    if len(text) > limit:
        raise InvalidValueError(
            f"{name} has more than {limit:,} characters: shorten it; nothing was cut", path=path
        )


def answers_in(request: HttpRequest) -> dict[str, str]:
    """What was answered to the fields of the template, by their names."""
    return {
        name.removeprefix(_ANSWER): "\n".join(
            value.replace("\0", "") for value in request.POST.getlist(name) if value.strip()
        )
        for name in request.POST
        if name.startswith(_ANSWER)
    }


def _save(request: PageRequest, key: UUID, sections: dict[str, str]) -> int:
    """Keep the draft with these texts, and what else the form says; the new revision."""
    return do(
        request,
        SaveDraft(
            report=str(key),
            sections=sections,
            answers=answers_in(request),
            expected_revision=carried(request, "revision"),
        ),
    )


def keep_text(request: PageRequest, key: UUID) -> None:
    """Keep the draft as it stands in the form that was sent."""
    _save(request, key, written_in(request))


@require_POST
@page()
def autosave(request: PageRequest, key: UUID) -> HttpResponse:
    """Keep the draft; the answer brings the new revision and the time."""
    revision = _save(request, key, written_in(request))
    if "HX-Request" not in request.headers:
        messages.success(request, _("Draft saved."))
        return redirect_back(request, f"/reports/{key}/")
    report = Report.objects.get(public_id=key)
    context = {
        "revision": revision,
        "saved_at": timezone.now(),
        "report_key": str(key),
        "lost_codes": lost(*form_of(report), report.draft),
        "without_codes": request.POST.getlist("without_codes"),
    }
    return HttpResponse(render_to_string("reporting/_saved.html", context, request))


def form_of(report: Report) -> tuple[DraftForm | None, TemplateContent | None]:
    """What was answered, and to which template; one query if there is any."""
    form = DraftForm.from_json(report.form)
    return form, templates.content_of(form.template, form.number) if form is not None else None


@require_POST
@page()
def take_again(request: PageRequest, key: UUID) -> HttpResponse:
    """Put an answer back that the text says no longer, so that its code goes with it."""
    report = written(request, key)
    sections, name = written_in(request), said(request, "again")
    gone = next(
        (each for each in lost(*form_of(report), sections) if each.field.name == name), None
    )
    if gone is not None:
        sections = taken_again(sections, gone)
    _save(request, key, sections)
    where = f"#section-{gone.section}" if gone is not None else ""
    return redirect_back(request, f"/reports/{key}/{where}")


# --- templates


@require_GET
@page()
def choose_template(request: PageRequest, key: UUID) -> HttpResponse:
    """The templates that fit the exam, best first: a page, or a part of the report's."""
    report = written(request, key)
    procedures = [str(one) for one in report.procedures.values_list("public_id", flat=True)]
    fitting = templates.fitting_for(templates.exam_keys(procedures), request.user.pk)
    context = {"report_key": str(key), "fitting": fitting, "revision": report.draft_revision}
    if "HX-Request" in request.headers:
        return HttpResponse(render_to_string("reporting/_template_list.html", context, request))
    _note_read(request, report)
    return show(request, "reporting/choose_template.html", context)


@require_POST
@page()
def fill_from_exam(request: PageRequest, key: UUID) -> HttpResponse:
    do(
        request,
        FillFromExam(
            report=str(key),
            sections=written_in(request),
            answers=answers_in(request),
            expected_revision=carried(request, "revision"),
        ),
    )
    messages.success(request, _("Filled in what is known by now."))
    return redirect_back(request, f"/reports/{key}/")


# --- macros, dose, contrast


@require_GET
@page()
def macros(request: PageRequest) -> HttpResponse:
    """The macros of whoever writes, for the editor."""
    if not may(request.actor, SaveDraft):
        raise DeniedError("macros are for those who write reports")
    found = templates.macros(request.user.pk)
    return JsonResponse({"macros": [{"name": one.name, "text": one.text} for one in found]})


_INSERTS = {"dose": MergeSource.DOSE, "contrast": MergeSource.CONTRAST}


@require_GET
@page()
def value(request: PageRequest, key: UUID) -> HttpResponse:
    """The exam's dose or contrast in words; nothing (204) if none was recorded."""
    report = written(request, key)
    words = _exam_words(report, asked(request, "of"))
    _note_read(request, report)
    return HttpResponse(
        words, content_type="text/plain; charset=utf-8", status=200 if words else 204
    )


@require_POST
@page()
def insert(request: PageRequest, key: UUID) -> HttpResponse:
    """Without script: dose or contrast after the technique, or a macro after its section."""
    report = written(request, key)
    sections = written_in(request)
    what = said(request, "insert")
    if what in _INSERTS:
        section, text = "technique", _exam_words(report, what)
        if not text:
            raise MissingValueError("the exam has none on record: write it by hand", path="insert")
        text = f"{text}."
    else:
        section = said(request, "macro-section") or "findings"
        name = said(request, "macro", 40).lstrip(".").casefold()
        known = {one.name.casefold(): one.text for one in templates.macros(request.user.pk)}
        if name not in known:
            raise UnknownKeyError("there is no macro of this name")
        text = known[name]
    before = sections.get(section, "")
    sections[section] = f"{before}\n{text}" if before else text
    _save(request, key, sections)
    return redirect_back(request, f"/reports/{key}/#section-{section}")


def _exam_words(report: Report, what: str) -> str:
    source = _INSERTS.get(what)
    if source is None:
        return ""
    procedures = [str(key) for key in report.procedures.values_list("public_id", flat=True)]
    found = values_for(str(report.order.public_id), procedures, [source]).get(source)
    return found.words if found is not None else ""


def written(request: PageRequest, key: UUID) -> Report:
    """The report, for whoever may write on it."""
    if not may(request.actor, SaveDraft):
        raise DeniedError("your roles do not include writing reports")
    row = Report.objects.select_related("order__patient").filter(public_id=key).first()
    if row is None:
        raise UnknownKeyError("no such report")
    return row


def _note_read(request: PageRequest, report: Report) -> None:
    saw(
        request,
        "ViewReport",
        [str(report.order.patient.public_id)],
        order=str(report.order.public_id),
        subject=f"Report {report.public_id}",
        part_of=f"/reports/{report.public_id}/",
    )
