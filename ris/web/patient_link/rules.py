"""What is sent to patients and in which words; what they may do at their page."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET, require_http_methods

from ris.domain.errors import RisError, UnknownKeyError
from ris.domain.patient_links import Policy, SetPatientPolicy
from ris.domain.patient_messages import (
    AHEAD,
    VARIABLES,
    Channel,
    Occasion,
    SetMessageRule,
    SetMessageText,
)
from ris.domain.patient_texts import Words
from ris.domain.preferences import LANGUAGES
from ris.domain.scheduling import AppointmentStatus
from ris.models import PatientPolicy, ProcedureDefinition, Site
from ris.selectors import patient_links, patient_messages
from ris.selectors.patient_links import Visit
from ris.selectors.resources import zone_at, zone_of
from ris.web.access import PageRequest, do, page, redirect_back, saw, show
from ris.web.asking import asked
from ris.web.errors import STATUS
from ris.web.forms import PageForm, TimeInput
from ris.web.navigation import SYSTEM

OCCASIONS = {
    Occasion.BOOKED: gettext_lazy("Booked"),
    Occasion.MOVED: gettext_lazy("Moved"),
    Occasion.CANCELED: gettext_lazy("Canceled"),
    Occasion.REMINDER: gettext_lazy("Reminder"),
    Occasion.PREPARATION: gettext_lazy("How to prepare"),
    Occasion.OFFER: gettext_lazy("Earlier time offered"),
}
CHANNELS = {
    Channel.MAIL: gettext_lazy("Mail"),
    Channel.SMS: gettext_lazy("Text message"),
}


@require_GET
@page(*SYSTEM)
def overview(request: PageRequest) -> HttpResponse:
    recent = patient_messages.recent(30)
    saw(request, "ListPatientMessages", {str(row.patient.public_id) for row in recent})
    carriers = patient_messages.carriers()
    lines = [
        (OCCASIONS[line.occasion], line)
        for line in patient_messages.rule_lines()
        if line.channel in carriers or line.channel is Channel.MAIL
    ]
    own = patient_messages.own_texts()
    context = {
        "groups": [
            (CHANNELS[channel], channel, carriers.get(channel), [
                (words, line, _edited(own, line.occasion, channel))
                for words, line in lines
                if line.channel is channel
            ])
            for channel in Channel
        ],
        "others": patient_messages.exceptions_to_rules(),
        "recent": [
            (OCCASIONS[Occasion(row.occasion)], row, zone_at(row.appointment.device))
            for row in recent
        ],
        "policy": patient_links.policy_for(None),
        "policies": _policies(),
        "any": bool(carriers),
    }  # fmt: skip
    return show(request, "patient_link/messages.html", context)


def _edited(own: frozenset[tuple[str, str, str]], occasion: Occasion, channel: Channel) -> str:
    """The languages in which the site has its own words."""
    found = sorted(each[2] for each in own if each[:2] == (occasion.value, channel.value))
    return ", ".join(found)


def _policies() -> list[PatientPolicy]:
    return list(PatientPolicy.objects.select_related("site").order_by("key"))


def _which(occasion: str, channel: str) -> tuple[Occasion, Channel]:
    if occasion not in set(Occasion) or channel not in set(Channel):
        raise UnknownKeyError("no such message")
    return Occasion(occasion), Channel(channel)


class RuleForm(PageForm):
    active = forms.BooleanField(label=gettext_lazy("Send it"), required=False)
    hours_before = forms.IntegerField(
        label=gettext_lazy("Hours before the appointment"),
        min_value=1,
        max_value=1440,
        required=False,
    )
    quiet_from = forms.TimeField(
        label=gettext_lazy("Not at night: from"), required=False, widget=TimeInput()
    )
    quiet_until = forms.TimeField(label=gettext_lazy("until"), required=False, widget=TimeInput())
    names_exam = forms.BooleanField(
        label=gettext_lazy("The message may name the exam and its preparation"),
        required=False,
        help_text=gettext_lazy(
            "Others may read what lies on a phone. Without this, they stand only on the page that "
            "asks for the birth date."
        ),
    )

    def __init__(self, *args: Any, occasion: Occasion, places: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if occasion not in AHEAD:
            del self.fields["hours_before"]
        if places:
            sites = [(str(row.public_id), row.name) for row in Site.objects.order_by("name")]
            exams = ProcedureDefinition.objects.filter(active=True).order_by("meaning")
            self.add(
                {
                    "site": forms.ChoiceField(
                        label=_("Only at"), required=False, choices=[("", _("every site")), *sites]
                    ),
                    "procedure": forms.ChoiceField(
                        label=_("Only for"),
                        required=False,
                        choices=[
                            ("", _("every exam")),
                            *((str(row.public_id), row.meaning) for row in exams),
                        ],
                    ),
                }
            )


@require_http_methods(["GET", "POST"])
@page(*SYSTEM)
def rule(request: PageRequest, occasion: str, channel: str) -> HttpResponse:
    """When an occasion is told, for all or, with ``?for=one``, for one site or exam."""
    which, way = _which(occasion, channel)
    single = asked(request, "for") == "one"
    present = next(
        line.rule
        for line in patient_messages.rule_lines()
        if line.occasion is which and line.channel is way
    )
    initial = {
        "active": present.active,
        "hours_before": present.hours_before or None,
        "quiet_from": present.quiet_from,
        "quiet_until": present.quiet_until,
        "names_exam": present.names_exam,
    }
    form = RuleForm(request.POST or None, initial=initial, occasion=which, places=single)
    status = 200
    if request.method == "POST":
        status = 422
        if form.is_valid():
            try:
                data = form.cleaned_data
                do(
                    request,
                    SetMessageRule(
                        occasion=which,
                        channel=way,
                        active=data["active"],
                        hours_before=data.get("hours_before") or 0,
                        quiet_from=data["quiet_from"],
                        quiet_until=data["quiet_until"],
                        names_exam=data["names_exam"],
                        site=data.get("site", ""),
                        procedure=data.get("procedure", ""),
                    ),
                )
            except RisError as error:
                form.refuse(error)
                status = STATUS[error.code]
            else:
                messages.success(request, _("Saved. It counts from now on."))
                return redirect_back(request, "/patient-messages/")
    context = {
        "form": form, "words": OCCASIONS[which], "way": CHANNELS[way], "single": single,
        "occasion": which, "channel": way,
    }  # fmt: skip
    return show(request, "patient_link/rule.html", context, status=status)


class TextForm(PageForm):
    subject = forms.CharField(label=gettext_lazy("Subject"), max_length=200, required=False)
    body = forms.CharField(
        label=gettext_lazy("Text"),
        max_length=4000,
        required=False,
        widget=forms.Textarea(attrs={"rows": 12}),
        help_text=gettext_lazy("Leave it empty to use our words again."),
    )

    def __init__(self, *args: Any, channel: Channel, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if channel is Channel.SMS:
            del self.fields["subject"]


@require_http_methods(["GET", "POST"])
@page(*SYSTEM)
def text(request: PageRequest, occasion: str, channel: str, language: str) -> HttpResponse:
    """The words of a message in a language, with what a patient would read."""
    which, way = _which(occasion, channel)
    if language not in LANGUAGES:
        raise UnknownKeyError("no such language")
    present = patient_messages.words(which, way, language)
    body = present.body if way is Channel.MAIL else present.short
    initial = {"subject": present.subject, "body": body}
    form = TextForm(request.POST or None, initial=initial, channel=way)
    status = 200
    if request.method == "POST":
        status = 422
        if form.is_valid():
            try:
                do(
                    request,
                    SetMessageText(
                        occasion=which,
                        channel=way,
                        language=language,
                        subject=form.cleaned_data.get("subject", ""),
                        body=form.cleaned_data["body"],
                    ),
                )
            except RisError as error:
                form.refuse(error)
                status = STATUS[error.code]
            else:
                messages.success(request, _("Saved. The next message has these words."))
                return redirect_back(request, request.path)
    context = {
        "form": form,
        "words": OCCASIONS[which],
        "way": CHANNELS[way],
        "occasion": which,
        "channel": way,
        "language": language,
        "languages": LANGUAGES.items(),
        "name": LANGUAGES[language],
        "variables": VARIABLES,
        "preview": _preview(which, way, language),
    }
    return show(request, "patient_link/text.html", context, status=status)


def _preview(occasion: Occasion, channel: Channel, language: str) -> Words:
    """As it stands now, for an invented appointment."""
    start = timezone.now().replace(minute=30, second=0, microsecond=0) + timedelta(days=7)
    site = Site.objects.order_by("id").first()
    example = Visit(
        public_id="", patient="", order="", version=1, status=AppointmentStatus.BOOKED,
        start_at=start, end_at=start + timedelta(minutes=30), room="MR 1",
        site=site.name if site else "", address=site.address if site else "",
        exams=("MR knee",), preparation=("Take off metal.",), step="", site_id=None,
        zone=zone_of(site), confirmed=False, policy=patient_links.policy_for(site),
    )  # fmt: skip
    written = patient_messages.write(
        occasion, channel, language, example, start, names_exam=False, linked=True
    )
    shown = written.text.replace("{link}", "https://…/p/…/")
    return Words(written.subject, shown, shown)


class PolicyForm(PageForm):
    active = forms.BooleanField(
        label=gettext_lazy("Patients have a page for their appointment"), required=False
    )
    phone = forms.CharField(
        label=gettext_lazy("Phone for questions"), max_length=40, required=False, strip=True
    )
    bring = forms.CharField(
        label=gettext_lazy("What to bring"),
        max_length=2000,
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
    )
    may_move = forms.BooleanField(label=gettext_lazy("They may take another time"), required=False)
    may_cancel = forms.BooleanField(label=gettext_lazy("They may cancel"), required=False)
    notice_hours = forms.IntegerField(
        label=gettext_lazy("Hours of notice"),
        min_value=0,
        max_value=720,
        help_text=gettext_lazy("Later than this before the appointment they have to call."),
    )
    days_ahead = forms.IntegerField(
        label=gettext_lazy("Days ahead"),
        min_value=1,
        max_value=365,
        help_text=gettext_lazy("How far off a time they may take."),
    )
    keep_hours = forms.IntegerField(
        label=gettext_lazy("Hours the page stays"),
        min_value=0,
        max_value=8760,
        help_text=gettext_lazy("After the appointment; then it shows only the phone number."),
    )


@require_http_methods(["GET", "POST"])
@page(*SYSTEM)
def policy(request: PageRequest) -> HttpResponse:
    """What patients may do at their page: of one site (``?site=``), or of all others."""
    key = asked(request, "site", 40)
    site = next((row for row in Site.objects.all() if str(row.public_id) == key), None)
    present = patient_links.policy_for(site)
    names = list(PolicyForm.base_fields)
    form = PolicyForm(
        request.POST or None, initial={name: getattr(present, name) for name in names}
    )
    status = 200
    if request.method == "POST":
        status = 422
        if form.is_valid():
            said = Policy(**{name: form.cleaned_data[name] for name in names})
            do(request, SetPatientPolicy(policy=said, site=key if site else ""))
            messages.success(request, _("Saved."))
            return redirect_back(request, "/patient-messages/")
    context = {"form": form, "site": site, "sites": Site.objects.order_by("name")}
    return show(request, "patient_link/policy.html", context, status=status)
