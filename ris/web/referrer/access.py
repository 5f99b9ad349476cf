"""The department's page: which login of a referring doctor sees whose orders."""

from __future__ import annotations

from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST

from ris.domain.errors import RisError
from ris.domain.referring import GrantReferrerAccess, RevokeReferrerAccess
from ris.selectors import referring
from ris.web.access import PageRequest, do, page, redirect_back, show
from ris.web.forms import PageForm
from ris.web.navigation import SYSTEM
from ris.web.paging import slice_of


class AccessForm(PageForm):
    """One more practitioner, or practice, for a login."""

    username = forms.ChoiceField(label=gettext_lazy("Login"))
    person = forms.CharField(
        label=gettext_lazy("Sees what this doctor orders"),
        required=False,
        max_length=200,
        help_text=gettext_lazy("Name and number as offered; orders are found by the number."),
    )
    service = forms.CharField(
        label=gettext_lazy("or all that this practice orders"),
        required=False,
        max_length=64,
        help_text=gettext_lazy("As it stands on orders under department or practice."),
    )

    def practitioner(self) -> str:
        """The public id of who is meant; empty if nobody, or nobody clearly, is named."""
        text = self.cleaned_data["person"]
        return referring.practitioner_named(text) if text else ""


@require_http_methods(["GET", "POST"])
@page(*SYSTEM)
def access(request: PageRequest) -> HttpResponse:
    logins = referring.logins()
    form = AccessForm(request.POST or None)
    form.offer("username", [("", _("Choose …")), *logins])
    status = 200
    if request.method == "POST":
        status = 422
        if form.is_valid() and _granted(request, form):
            return redirect_back(request, "/referrers/")
    form.fields["person"].widget.attrs["list"] = "people"
    page_of = slice_of(referring.access_rows(), request)
    context = {
        "form": form,
        "lines": referring.access_lines(page_of.rows),
        "page": page_of,
        "people": referring.people(),
        "logins": logins,
    }
    return show(request, "referrer/access.html", context, status=status)


def _granted(request: PageRequest, form: AccessForm) -> bool:
    data = form.cleaned_data
    practitioner = form.practitioner()
    if data["person"] and not practitioner:
        form.add_error("person", _("Nobody has this name and number; choose from the list."))
        return False
    try:
        do(
            request,
            GrantReferrerAccess(
                username=data["username"], practitioner=practitioner, service=data["service"]
            ),
        )
    except RisError as error:
        form.refuse(error)
        return False
    messages.success(request, _("Granted. Results signed from now on count as new."))
    return True


@require_POST
@page(*SYSTEM)
def end(request: PageRequest, key: UUID) -> HttpResponse:
    do(request, RevokeReferrerAccess(access=str(key)))
    messages.success(request, _("Ended. These orders are not shown to that login any more."))
    return redirect_back(request, "/referrers/")
