"""The safety questions of the catalog: one, all of them, and as a CSV file."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from ris.domain.errors import RequestError, UnknownKeyError
from ris.domain.safety import DefineSafetyQuestion, ImportSafetyQuestions, RetireSafetyQuestion
from ris.domain.safety_starter import STARTER
from ris.selectors import safety
from ris.selectors.safety import QuestionLine
from ris.services import may
from ris.web import sheets
from ris.web.access import PageRequest, do, page, show
from ris.web.asking import asked, said
from ris.web.errors import STATUS
from ris.web.navigation import SYSTEM
from ris.web.safety import sheet
from ris.web.safety.forms import QuestionForm


@require_GET
@page(*SYSTEM)
def question_list(request: PageRequest) -> HttpResponse:
    retired = asked(request, "retired") == "1"
    lines = safety.question_lines(retired=retired)
    context = {
        "lines": lines,
        "retired": retired,
        "allowed": may(request.actor, DefineSafetyQuestion),
        "starters": 0 if lines else len(STARTER),
    }
    return show(request, "safety/catalog.html", context)


@require_http_methods(["GET", "POST"])
@page(*SYSTEM)
def new(request: PageRequest) -> HttpResponse:
    if request.method == "POST":
        return _save(request, QuestionForm(request.POST), None)
    return _form(request, QuestionForm(), None)


@require_http_methods(["GET", "POST"])
@page(*SYSTEM)
def question(request: PageRequest, code: str) -> HttpResponse:
    line = safety.question_line(code)
    if line is None:
        raise UnknownKeyError("no such question")
    if request.method == "POST":
        form = QuestionForm(request.POST)
        form.keep_code()
        return _save(request, form, line)
    return _form(request, QuestionForm.of(line.details), line)


def _form(
    request: PageRequest, form: QuestionForm, line: QuestionLine | None, status: int = 200
) -> HttpResponse:
    context = {"form": form, "line": line, "allowed": may(request.actor, DefineSafetyQuestion)}
    return show(request, "safety/question.html", context, status=status)


def _save(request: PageRequest, form: QuestionForm, line: QuestionLine | None) -> HttpResponse:
    if not form.is_valid():
        return _form(request, form, line, 422)
    said_of = form.question()
    if line is None and safety.question_line(said_of.code) is not None:
        form.add_error("code", _("There is a question with this code; open it to change it."))
        return _form(request, form, line, 409)
    if line is not None and said_of.code != line.details.code:
        form.add_error("code", _("The code of a question stays; make a new question."))
        return _form(request, form, line, 422)
    try:
        do(request, DefineSafetyQuestion(question=said_of))
    except RequestError as error:
        form.refuse(error)
        return _form(request, form, line, STATUS[error.code])
    messages.success(request, _("Saved. The question is asked from now on."))
    return _to_list()


def _to_list() -> HttpResponse:
    response = HttpResponseRedirect("/catalog/safety/")
    response.status_code = 303
    return response


@require_POST
@page(*SYSTEM)
def retire(request: PageRequest, code: str) -> HttpResponse:
    do(request, RetireSafetyQuestion(code=code))
    messages.success(request, _("No longer asked. Saving it asks it again."))
    return _to_list()


@require_POST
@page(*SYSTEM)
def starter(request: PageRequest) -> HttpResponse:
    """The questions that come with the product, for a catalog that has none."""
    if not safety.question_lines(retired=True):
        do(request, ImportSafetyQuestions(questions=STARTER))
        messages.success(
            request, _("These are common questions. Look through them: the limits are yours.")
        )
    return _to_list()


@require_GET
@page(*SYSTEM)
def download(request: PageRequest) -> HttpResponse:
    rows = (sheet.values_of(line) for line in safety.question_lines(retired=True))
    return sheets.attachment(sheet.KIND.write(rows), "safety-questions.csv")


@require_http_methods(["GET", "POST"])
@page(*SYSTEM)
def upload(request: PageRequest) -> HttpResponse:
    """First what a file would change; then, when the person says so, that and nothing else."""
    context: dict[str, object] = {"kind": sheet.KIND}
    if request.method == "GET":
        return show(request, "safety/upload.html", context)
    raw = sheets.uploaded(request)
    present = [sheet.values_of(line) for line in safety.question_lines(retired=True)]
    found = sheet.KIND.read(raw, present)
    if said(request, "apply") == "1" and found.is_good:
        wanted = found.wanted
        do(
            request,
            ImportSafetyQuestions(
                questions=tuple(
                    sheet.question(row.values) for row in wanted if row.values["asked"]
                ),
                retired=tuple(row.values["code"] for row in wanted if not row.values["asked"]),
            ),
        )
        messages.success(
            request,
            ngettext("{count} question changed.", "{count} questions changed.", len(wanted)).format(
                count=len(wanted)
            ),
        )
        return _to_list()
    context |= {"sheet": found, "content": sheets.carried(raw)}
    return show(request, "safety/upload.html", context, status=200 if found.is_good else 422)
