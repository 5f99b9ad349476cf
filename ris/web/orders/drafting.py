"""Drafts of the order form: kept while somebody types, listed, discarded."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from ris.domain.drafts import DiscardOrderDraft, SaveOrderDraft
from ris.domain.errors import UnknownKeyError
from ris.models import ProcedureDefinition
from ris.selectors import drafts
from ris.selectors.drafts import DraftView
from ris.selectors.patients import patient_view
from ris.services import may
from ris.web.access import PageRequest, do, page, redirect_back, show
from ris.web.asking import said

# What the page makes itself, or what is only passing.
_PASSING = frozenset({"csrfmiddlewaretoken", "token", "draft", "who", "next", "again"})
_KNOWN = frozenset({"requester", "priority", "when"})  # filled in from the beginning


def typed_of(draft: DraftView) -> dict[str, str]:
    """What was typed, by field; a field of the form has one value."""
    return {name: values[-1] for name, values in draft.content.items() if values}


def draft_lines(request: PageRequest, *, besides: str = "") -> list[DraftView]:
    """One's drafts, but for the one that is open."""
    if not may(request.actor, SaveOrderDraft):
        return []
    return [each for each in drafts.drafts_of(request.user.pk) if each.public_id != besides]


@require_POST
@page()
def save(request: PageRequest) -> HttpResponse:
    """Keep what is typed; answers with the draft's key, for the next time."""
    content = {
        name: tuple(value.replace("\0", "") for value in values if value.strip())
        for name, values in request.POST.lists()
        if name not in _PASSING
    }
    content = {name: values for name, values in content.items() if values}
    key = said(request, "draft", 36)
    if content.keys() <= _KNOWN and not key:
        return HttpResponse(status=204)
    key = do(
        request,
        SaveOrderDraft(
            draft=key,
            patient=_living(said(request, "patient", 36)),
            title=_title(request),
            content=content,
        ),
    )
    return show(request, "orders/_draft.html", {"key": key})


def _living(key: str) -> str:
    """The patient that is meant; empty for none."""
    if not key:
        return ""
    view = patient_view(key)
    return view.merged_into or view.public_id


def _title(request: PageRequest) -> str:
    """What somebody will know the draft by."""
    key = said(request, "patient", 36)
    if key:
        who = patient_view(key).name.display
    else:
        named = (said(request, "new-family_name", 64), said(request, "new-given_name", 64))
        who = ", ".join(part for part in named if part)
    what = said(request, "procedure", 36)
    try:
        exam = ProcedureDefinition.objects.filter(public_id=UUID(what)).first() if what else None
    except ValueError:
        exam = None
    parts = [who or _("Nobody yet"), exam.meaning if exam else ""]
    return ": ".join(part for part in parts if part)


@require_POST
@page()
def discard(request: PageRequest, key: UUID) -> HttpResponse:
    do(request, DiscardOrderDraft(draft=str(key)))
    messages.success(request, _("The draft is discarded."))
    return redirect_back(request, "/orders/new/")


def discard_sent(request: PageRequest, key: str) -> None:
    """What was sent is no draft any more; one that is gone already is no matter."""
    if not key:
        return
    try:
        do(request, DiscardOrderDraft(draft=key))
    except UnknownKeyError:
        return
