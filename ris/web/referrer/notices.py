"""Whether, when and where a referring doctor is told of results by mail."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from ris.domain.actors import Role
from ris.domain.errors import RisError
from ris.domain.referring import NoticeTime, SetResultNotices
from ris.models import NoticeChoice
from ris.services.referring.notices import carrier
from ris.web.access import PageRequest, do, page, redirect_back, show
from ris.web.forms import PageForm


class NoticeForm(PageForm):
    when = forms.ChoiceField(
        label=gettext_lazy("Mail about results"),
        widget=forms.RadioSelect(attrs={"class": "form-check-input"}),
        choices=[
            (NoticeTime.OFF.value, gettext_lazy("None")),
            (NoticeTime.AT_ONCE.value, gettext_lazy("At once, for each result")),
            (
                NoticeTime.DAILY.value,
                gettext_lazy("Once a day in the morning; what is critical, changed or withdrawn "
                             "at once all the same"),
            ),
        ],
    )  # fmt: skip
    address = forms.EmailField(
        label=gettext_lazy("Mail address"),
        required=False,
        help_text=gettext_lazy("Empty: the address that the department has for your login."),
    )


@require_http_methods(["GET", "POST"])
@page(Role.REFERRER)
def notices(request: PageRequest) -> HttpResponse:
    if request.method == "POST":
        form = NoticeForm(request.POST)
        if form.is_valid():
            try:
                do(
                    request,
                    SetResultNotices(
                        when=NoticeTime(form.cleaned_data["when"]),
                        address=form.cleaned_data["address"],
                    ),
                )
            except RisError as error:
                form.refuse(error)
            else:
                messages.success(request, _("Saved."))
                return redirect_back(request, "/referrer/notices/")
        return _page(request, form, status=422)
    row = NoticeChoice.objects.filter(user=request.user).first()
    initial: dict[str, Any] = {
        "when": row.when if row else NoticeTime.OFF.value,
        "address": row.address if row else "",
    }
    return _page(request, NoticeForm(initial=initial))


def _page(request: PageRequest, form: NoticeForm, *, status: int = 200) -> HttpResponse:
    context = {"form": form, "own": request.user.email, "carried": carrier() is not None}
    return show(request, "referrer/notices.html", context, status=status)
