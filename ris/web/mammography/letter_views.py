"""Letters to patients about breast exams: which wait, print, mark as sent, stop."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_GET, require_POST

from ris.domain.errors import InvalidValueError, MissingValueError, UnknownKeyError
from ris.domain.mammography_letters import (
    MarkLettersSent,
    PrintLetters,
    SentHow,
    SetLetterChoice,
    StopLetter,
)
from ris.models import BreastLetter
from ris.printing.letters import letters_pdf
from ris.selectors import letter_lists
from ris.selectors import letters as letter_words
from ris.services import may
from ris.web.access import PageRequest, do, page, redirect_back, saw, show
from ris.web.asking import asked, said
from ris.web.mammography import words
from ris.web.mammography.views import keys_said
from ris.web.navigation import MAMMOGRAPHY
from ris.web.paging import slice_of
from ris.web.pdf import pdf

TABS = (
    ("due", gettext_lazy("To send")),
    ("waiting", gettext_lazy("Wait for their hour")),
    ("sent", gettext_lazy("Sent")),
    ("stopped", gettext_lazy("Stopped")),
)
# How a letter leaves whose mail did not.
_BY_HAND = (SentHow.POST.value, SentHow.HANDED.value)


@require_GET
@page(*MAMMOGRAPHY)
def letters(request: PageRequest) -> HttpResponse:
    tab = asked(request, "tab") or "due"
    tab = tab if tab in dict(TABS) else "due"
    now = timezone.now()
    page_of = slice_of(letter_lists.with_patients(letter_lists.letters(tab, now)), request)
    lines = letter_lists.letter_lines(page_of.rows)
    saw(request, "ListLetters", (line.patient.public_id for line in lines if line.patient))
    counts = letter_lists.letter_counts(now)
    context = {
        "tabs": [(key, text, counts.get(key)) for key, text in TABS],
        "tab": tab,
        "lines": lines,
        "page": page_of,
        "can_send": may(request.actor, MarkLettersSent) and tab == "due",
        "can_stop": may(request.actor, StopLetter) and tab in {"due", "waiting"},
        "ways": words.HOW.items(),
        "other_ways": [way for way in words.HOW.items() if way[0] in _BY_HAND],
        "may_send": may(request.actor, MarkLettersSent),
    }
    return show(request, "mammography/letters.html", context)


@require_POST
@page()
def printed(request: PageRequest) -> HttpResponse:
    """The chosen letters as one PDF; who must not be written to is left out and said so."""
    chosen = keys_said(request, "letter")
    if not chosen:
        raise MissingValueError("choose the letters to print", path="letter")
    keys = do(request, PrintLetters(letters=chosen))
    if not keys:
        messages.warning(request, _("None of these may be sent any more; see Stopped for why."))
        return redirect_back(request, "/mammography/letters/")
    return _pdf(request, keys)


@require_GET
@page(*MAMMOGRAPHY)
def letter(request: PageRequest, key: UUID) -> HttpResponse:
    """A letter as it was printed."""
    return _pdf(request, (str(key),))


def _pdf(request: PageRequest, keys: tuple[str, ...]) -> HttpResponse:
    pages = letter_words.pages(keys)
    if not pages:
        raise UnknownKeyError("this letter was not printed yet")
    rows = BreastLetter.objects.filter(public_id__in=keys).values_list(
        "assessment__report__order__patient__public_id", flat=True
    )
    saw(request, "PrintLetters", {str(key) for key in rows})
    name = "letter.pdf" if len(pages) == 1 else f"letters {timezone.localdate():%Y-%m-%d}.pdf"
    return pdf(letters_pdf(pages), name)


@require_POST
@page()
def sent(request: PageRequest) -> HttpResponse:
    chosen = keys_said(request, "letter")
    if not chosen:
        raise MissingValueError("choose the letters that were sent", path="letter")
    try:
        how = SentHow(said(request, "how") or SentHow.POST.value)
    except ValueError:
        raise InvalidValueError("no such way", path="how") from None
    count = do(request, MarkLettersSent(letters=chosen, how=how))
    messages.success(
        request,
        ngettext("One letter is marked as sent.", "{count} letters are marked as sent.", count)
        .format(count=count),
    )  # fmt: skip
    return redirect_back(request, "/mammography/letters/")


@require_POST
@page()
def stop(request: PageRequest, key: UUID) -> HttpResponse:
    do(request, StopLetter(letter=str(key), reason=said(request, "reason", 500)))
    messages.success(request, _("The letter is stopped."))
    return redirect_back(request, "/mammography/letters/")


@require_POST
@page()
def choice(request: PageRequest, key: UUID) -> HttpResponse:
    wanted = said(request, "wanted") == "yes"
    do(request, SetLetterChoice(patient=str(key), wanted=wanted, note=said(request, "note")))
    yes, no = _("Noted: letters are wanted."), _("Noted: no letters. Tell results in person.")
    messages.success(request, yes if wanted else no)
    return redirect_back(request, "/mammography/")
