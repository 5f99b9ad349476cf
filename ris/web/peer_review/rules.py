"""How many reports are reviewed: a row of a form for each rule."""

from __future__ import annotations

from collections.abc import Mapping

from django.contrib import messages
from django.http import HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from ris.domain.errors import InvalidValueError, RequestError, RisError
from ris.domain.peer_review import SamplingRule, SetSamplingRules
from ris.domain.sets import version_of
from ris.selectors import peer_review
from ris.web.access import PageRequest, do, page, redirect_back, show
from ris.web.asking import said
from ris.web.errors import STATUS
from ris.web.navigation import PEER_REVIEW_SETUP

SPARE = 3
MOST = 100


@require_http_methods(["GET", "POST"])
@page(*PEER_REVIEW_SETUP)
def rules(request: PageRequest) -> HttpResponse:
    error: RisError | None = None
    rules = peer_review.rules()
    rows = [
        {"reader": rule.reader, "modality": rule.modality, "percent": f"{rule.percent:g}"}
        for rule in rules
    ]
    version = version_of(rules)
    if request.method == "POST":
        version = said(request, "version", 16)
        rows = [row for number in range(MOST) if (row := _typed(request, number))["percent"]]
        try:
            do(request, SetSamplingRules(rules=tuple(map(_read, rows)), expected_version=version))
        except RequestError as refusal:
            error = refusal
        else:
            messages.success(request, _("Saved. They count for what is signed from now on."))
            return redirect_back(request, "/peer-review/rules/")
    empty = {"reader": "", "modality": "", "percent": ""}
    context = {
        "rows": [*rows, *[empty] * SPARE],
        "version": version,
        "logins": peer_review.logins(),
        "error": error,
    }
    status = STATUS[error.code] if error else 200
    return show(request, "peer_review/rules.html", context, status=status)


def _typed(request: PageRequest, number: int) -> dict[str, str]:
    return {
        name: said(request, f"{name}-{number}", 150) for name in ("reader", "modality", "percent")
    }


def _read(row: Mapping[str, str]) -> SamplingRule:
    try:
        percent = float(row["percent"].replace(",", "."))
    except ValueError:
        raise InvalidValueError("a share is a number such as 5 or 2.5", path="percent") from None
    return SamplingRule(reader=row["reader"], modality=row["modality"], percent=percent)
