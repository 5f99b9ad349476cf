"""The protocols of the catalog, and which procedures wait for one."""

from __future__ import annotations

from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from ris.domain.errors import RequestError
from ris.domain.protocoling import (
    LOCAL_SCHEME,
    STARTER,
    ChangeProtocolNeed,
    DefineProtocol,
    ProtocolNeed,
    RetireProtocol,
    starter_protocols,
)
from ris.domain.values import Code
from ris.selectors import protocoling
from ris.selectors.protocoling import ProtocolLine
from ris.services import may, together
from ris.web import sheets
from ris.web.access import PageRequest, do, page, show
from ris.web.asking import asked
from ris.web.errors import STATUS
from ris.web.forms import PageForm
from ris.web.navigation import PROTOCOL_SETUP


class ProtocolForm(PageForm):
    """A protocol; its code stays, because exams were done by it."""

    name = forms.CharField(label=gettext_lazy("Name"), max_length=64)
    code = forms.CharField(label=gettext_lazy("Code"), max_length=64)
    scheme = forms.CharField(
        label=gettext_lazy("Coding scheme"), max_length=64, required=False, initial=LOCAL_SCHEME
    )
    modality = forms.CharField(label=gettext_lazy("Modality"), max_length=16)
    contrast = forms.CharField(label=gettext_lazy("Contrast"), max_length=64, required=False)
    pre_medication = forms.CharField(
        label=gettext_lazy("Premedication"), max_length=64, required=False
    )
    duration_minutes = forms.IntegerField(
        label=gettext_lazy("Duration in minutes"),
        min_value=1,
        max_value=24 * 60,
        required=False,
        help_text=gettext_lazy("Of exams that are not booked yet; empty: the procedure's own"),
    )
    procedures = forms.CharField(
        label=gettext_lazy("Procedure codes"),
        max_length=2000,
        required=False,
        help_text=gettext_lazy("Empty: offered for all of the modality"),
    )
    instructions = forms.CharField(
        label=gettext_lazy("Instructions for the technologist"),
        max_length=4000,
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
    )

    def command(self) -> DefineProtocol:
        said = self.cleaned_data
        return DefineProtocol(
            code=Code(said["code"], said["scheme"], said["name"]),
            modality=said["modality"],
            contrast=said["contrast"],
            pre_medication=said["pre_medication"],
            instructions=said["instructions"],
            duration_minutes=said["duration_minutes"],
            procedures=sheets.split(said["procedures"]),
        )


@require_GET
@page(*PROTOCOL_SETUP)
def protocol_list(request: PageRequest) -> HttpResponse:
    retired = asked(request, "retired") == "1"
    modality = asked(request, "modality", 16)
    lines = protocoling.protocols(modality=modality, retired=retired)
    context = {
        "lines": lines,
        "retired": retired,
        "modality": modality,
        "modalities": protocoling.modalities(),
        "allowed": may(request.actor, DefineProtocol),
        "starters": 0 if lines else len(STARTER),
    }
    return show(request, "protocoling/catalog.html", context)


@require_http_methods(["GET", "POST"])
@page(*PROTOCOL_SETUP)
def new(request: PageRequest) -> HttpResponse:
    if request.method == "POST":
        return _save(request, ProtocolForm(request.POST), None)
    return _form(request, ProtocolForm(), None)


@require_http_methods(["GET", "POST"])
@page(*PROTOCOL_SETUP)
def protocol(request: PageRequest, key: UUID) -> HttpResponse:
    line = protocoling.protocol(str(key))
    if request.method == "POST":
        return _save(request, ProtocolForm(request.POST), line)
    form = ProtocolForm(
        initial={
            "name": line.code.meaning,
            "code": line.code.value,
            "scheme": line.code.scheme,
            "modality": line.modality,
            "contrast": line.contrast,
            "pre_medication": line.pre_medication,
            "duration_minutes": line.duration_minutes,
            "procedures": ", ".join(line.procedures),
            "instructions": line.instructions,
        }
    )
    return _form(request, form, line)


def _form(
    request: PageRequest, form: ProtocolForm, line: ProtocolLine | None, status: int = 200
) -> HttpResponse:
    if line is not None:
        for name in ("code", "scheme"):
            form.fields[name].widget.attrs["readonly"] = True
    context = {"form": form, "line": line, "allowed": may(request.actor, DefineProtocol)}
    return show(request, "protocoling/protocol.html", context, status=status)


def _save(request: PageRequest, form: ProtocolForm, line: ProtocolLine | None) -> HttpResponse:
    if not form.is_valid():
        return _form(request, form, line, 422)
    command = form.command()
    known = [(each.code.value, each.code.scheme) for each in protocoling.protocols(retired=True)]
    if line is None and (command.code.value, command.code.scheme) in known:
        form.add_error("code", _("There is a protocol with this code; open it to change it."))
        return _form(request, form, line, 409)
    if line is not None and (command.code.value, command.code.scheme) != (
        line.code.value,
        line.code.scheme,
    ):
        form.add_error("code", _("The code of a protocol stays; make a new protocol."))
        return _form(request, form, line, 422)
    try:
        do(request, command)
    except RequestError as error:
        form.refuse(error)
        return _form(request, form, line, STATUS[error.code])
    messages.success(request, _("Saved. Exams that are protocoled from now on have it so."))
    return _to("/catalog/protocols/")


def _to(address: str) -> HttpResponse:
    response = HttpResponseRedirect(address)
    response.status_code = 303
    return response


@require_POST
@page(*PROTOCOL_SETUP)
def retire(request: PageRequest, key: UUID) -> HttpResponse:
    do(request, RetireProtocol(protocol=str(key)))
    messages.success(request, _("No longer offered. Saving it offers it again."))
    return _to("/catalog/protocols/")


@require_POST
@page(*PROTOCOL_SETUP)
def starter(request: PageRequest) -> HttpResponse:
    """The protocols that come with the product, for a catalog that has none."""
    if not protocoling.protocols(retired=True):
        together(lambda: [do(request, each) for each in starter_protocols()])
        messages.success(request, _("These are common protocols. Make them your own."))
    return _to("/catalog/protocols/")


@require_http_methods(["GET", "POST"])
@page(*PROTOCOL_SETUP)
def needs(request: PageRequest) -> HttpResponse:
    """Which procedures wait for a protocol; what is not chosen is done as the catalog says."""
    modality = asked(request, "modality", 16)
    lines = protocoling.needs(modality)
    if request.method == "POST":
        known = {need.value for need in ProtocolNeed}
        changed = [
            ChangeProtocolNeed(definition=line.public_id, need=ProtocolNeed(chosen))
            for line in lines
            if (chosen := request.POST.get(f"need-{line.public_id}", line.need)) != line.need
            and chosen in known
        ]
        together(lambda: [do(request, each) for each in changed])
        messages.success(
            request,
            ngettext(
                "{count} procedure changed.", "{count} procedures changed.", len(changed)
            ).format(count=len(changed)),
        )
        return _to(request.get_full_path())
    context = {
        "lines": lines,
        "needs": list(ProtocolNeed),
        "modality": modality,
        "modalities": sorted({line.modality for line in protocoling.needs()})
        if modality
        else sorted({line.modality for line in lines}),
        "allowed": may(request.actor, ChangeProtocolNeed),
    }
    return show(request, "protocoling/needs.html", context)
