"""A file of rows at a page: first what it would change; then, when somebody says so, just that."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.utils.translation import ngettext

from ris.domain.errors import RequestError
from ris.web import sheets
from ris.web.access import PageRequest, show
from ris.web.asking import said
from ris.web.errors import STATUS
from ris.web.sheets import Row, Sheet


def answer(
    request: PageRequest,
    template: str,
    context: Mapping[str, Any],
    *,
    read: Callable[[bytes], Sheet],
    apply: Callable[[Sequence[Row]], object],
    then: str,
) -> HttpResponse:
    """``apply`` does all of it or raises; then the person is sent to ``then``."""
    if request.method == "GET":
        return show(request, template, context)
    raw = sheets.uploaded(request)
    found = read(raw)
    status = 200 if found.is_good else 422
    refused = ""
    if said(request, "apply") == "1" and found.is_good:
        try:
            apply(found.wanted)
        except RequestError as error:
            status, refused = STATUS[error.code], error.message
        else:
            count = len(found.wanted)
            words = ngettext("%(count)s row changed.", "%(count)s rows changed.", count)
            messages.success(request, words % {"count": count})
            response = HttpResponseRedirect(then)
            response.status_code = 303
            return response
    asked = {"sheet": found, "content": sheets.carried(raw), "refused": refused}
    return show(request, template, {**context, **asked}, status=status)
