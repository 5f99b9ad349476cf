"""Set-up of breast exams: which procedures they are, how long is waited, the words of letters."""

from __future__ import annotations

from django import forms
from django.contrib import messages
from django.http import Http404, HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST

from ris.domain.errors import InvalidValueError
from ris.domain.mammography import LIMITS, Rules, SetBreastExam, SetMammographyRules
from ris.domain.mammography_letters import TEXT_KINDS, SetLetterText, Statement, Topic
from ris.domain.mammography_texts import TEXTS, VARIABLES, fill
from ris.domain.preferences import LANGUAGES
from ris.selectors import letters, mammography
from ris.web.access import PageRequest, do, page, redirect_back, show
from ris.web.asking import number, said
from ris.web.forms import PageForm
from ris.web.mammography import words
from ris.web.navigation import SYSTEM

FIELDS = (
    ("letter_hours", gettext_lazy("A letter waits after the final report, hours")),
    ("additional_days", gettext_lazy("More imaging is due within, days")),
    ("interval_months", gettext_lazy("A second look is due after, months")),
    ("biopsy_days", gettext_lazy("A biopsy is due within, days")),
    ("reminder_days", gettext_lazy("A second letter after the due day, days")),
)


@require_http_methods(["GET", "POST"])
@page(*SYSTEM)
def setup(request: PageRequest) -> HttpResponse:
    lines = mammography.procedures()
    if request.method == "POST":
        for line in lines:
            chosen = said(request, f"exam-{line.public_id}", 20)
            if f"exam-{line.public_id}" in request.POST and chosen != line.breast_exam:
                do(request, SetBreastExam(procedure=str(line.public_id), exam=chosen))
        messages.success(request, _("Saved. It holds for reports that are signed from now on."))
        return redirect_back(request, "/mammography/setup/")
    own = letters.own_kinds()
    site_rules = mammography.rules()
    context = {
        "lines": lines,
        "exams": words.EXAM.items(),
        "rules": site_rules,
        "fields": [
            (name, text, getattr(site_rules, name), *LIMITS[name]) for name, text in FIELDS
        ],
        "texts": [
            (kind, _slug(kind), words.TOPIC[kind],
             ", ".join(name for code, name in LANGUAGES.items() if (kind, code) in own))
            for kind in TEXT_KINDS
        ],
    }  # fmt: skip
    return show(request, "mammography/setup.html", context)


@require_POST
@page()
def rules(request: PageRequest) -> HttpResponse:
    values: dict[str, int] = {}
    for name, text in FIELDS:
        value = number(request, name)
        if value is None:
            raise InvalidValueError(f"{text}: a whole number", path=name)
        values[name] = value
    command = SetMammographyRules(rules=Rules(letters="letters" in request.POST, **values))
    do(request, command)
    messages.success(request, _("Saved. What was planned before keeps its day."))
    return redirect_back(request, "/mammography/setup/")


class TextForm(PageForm):
    body = forms.CharField(
        label=gettext_lazy("Text"),
        max_length=4000,
        required=False,
        widget=forms.Textarea(attrs={"rows": 12}),
        help_text=gettext_lazy("Left empty, our own words are used."),
    )


def _slug(kind: str) -> str:
    return kind.lower().replace(" ", "-")


@require_http_methods(["GET", "POST"])
@page(*SYSTEM)
def text(request: PageRequest, kind: str, language: str) -> HttpResponse:
    named = {_slug(each): each for each in TEXT_KINDS}
    if kind not in named or language not in TEXTS:
        raise Http404
    which = named[kind]
    status = 200
    own = letters.own_words(language)
    form = TextForm(initial={"body": own.get(which) or TEXTS[language][which]})
    if request.method == "POST":
        form = TextForm(request.POST)
        if form.is_valid():
            try:
                do(
                    request,
                    SetLetterText(kind=which, language=language, body=form.cleaned_data["body"]),
                )
                messages.success(request, _("Saved."))
                return redirect_back(request, request.path)
            except InvalidValueError as error:
                form.refuse(error)
        status = 422
    context = {
        "form": form,
        "words": words.TOPIC[which],
        "kind": kind,
        "language": language,
        "name": LANGUAGES[language],
        "languages": LANGUAGES.items(),
        "variables": VARIABLES,
        "is_own": which in own,
        "preview": _preview(which, language, own.get(which) or TEXTS[language][which]),
    }
    return show(request, "mammography/text.html", context, status=status)


def _preview(kind: str, language: str, body: str) -> str:
    """The text with an invented patient in it."""
    frame = letters.frame_of(language)
    values = {
        "patient": "A. Muster",
        "site": "…",
        "phone": "555 0100",
        **{name: f"[{name}]" for name in ("exam_date", "due", "earlier", "date")},
    }
    if kind in {one.value for one in Statement}:
        return fill(body, values)
    density = TEXTS[language][Statement.DENSE] if kind != Topic.REMINDER.value else ""
    whole = "\n\n".join((frame.greeting, body, density, frame.closing))
    return fill(whole, values)
