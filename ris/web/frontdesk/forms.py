"""Forms of the front desk."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from ris.domain.arrivals import IdentifierKind, LabelSize, Said, WallKind, WallNames
from ris.domain.documents import PDF, PDF_BEGINS
from ris.domain.patients import Sex
from ris.models import Device, ProcedureDefinition, Site
from ris.selectors.resources import site_of
from ris.web import labels
from ris.web.forms import PageForm
from ris.web.orders.forms import catalog, exam_select
from ris.web.patients.forms import birth_date_from, person_from

# First bytes of what a scanner at a desk makes, and its type; anything else is refused.
_KINDS: tuple[tuple[bytes, str], ...] = (
    (PDF_BEGINS, PDF),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"II*\x00", "image/tiff"),
    (b"MM\x00*", "image/tiff"),
)
LARGEST = 10 * 1024 * 1024
SIDES = [("", _("Not said")), ("L", _("Left")), ("R", _("Right")), ("B", _("Both sides"))]


def procedure_choices(modality: str = "") -> list[Any]:
    """The catalog (of one modality), grouped; typing in the list jumps to a name."""
    rows = ProcedureDefinition.objects.filter(active=True)
    if modality:
        rows = rows.filter(modality=modality)
    groups: dict[str, list[tuple[str, str]]] = {}
    for row in rows.order_by("modality", "meaning"):
        words = f"{row.meaning} ({row.duration_minutes} min)"
        groups.setdefault(row.modality, []).append((str(row.public_id), words))
    return [("", _("Choose …")), *groups.items()]


class IdentityForm(PageForm):
    """What the patient says, and what is scanned; two of the three are compared."""

    name = forms.CharField(label=_("Name, as the patient says it"), max_length=200, required=False)
    birth_date = forms.CharField(
        label=_("Birth date, as the patient says it"),
        max_length=20,
        required=False,
        help_text=_("As in 1954-12-31, 31.12.1954 or 31121954"),
    )
    number = forms.CharField(
        label=_("Patient number or code, scanned"), max_length=200, required=False
    )
    reason = forms.CharField(
        label=_("Why fewer than two"),
        max_length=200,
        required=False,
        help_text=_("Only if somebody cannot say who they are; kept with the appointment"),
    )

    def said(self) -> tuple[Said, ...]:
        values = {
            IdentifierKind.NAME: self.cleaned_data["name"],
            IdentifierKind.BIRTH_DATE: self.cleaned_data["birth_date"],
            IdentifierKind.NUMBER: self.cleaned_data["number"],
        }
        return tuple(Said(kind, value) for kind, value in values.items() if value.strip())

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in ("name", "birth_date", "number"):
            # What the last patient said is nothing to offer for the next one.
            self.fields[name].widget.attrs["autocomplete"] = "off"
        # Whoever opened the dialog types at once, with the scan perhaps in its place already.
        self.fields["birth_date"].widget.attrs["autofocus"] = True
        self.fields["birth_date"].widget.attrs["aria-describedby"] = "id_birth_date-help"


class CorrectionForm(PageForm):
    """What the patient says is wrong in their data."""

    name = forms.CharField(
        label=_("Name"), max_length=120, required=False, help_text=_("Family name, given name")
    )
    birth_date = forms.CharField(
        label=_("Birth date"),
        max_length=10,
        required=False,
        help_text=_("As in 1954-12-31 or 31.12.1954; or only 1954-12 or 1954"),
    )
    sex = forms.ChoiceField(label=_("Sex"), required=False)
    phone = forms.CharField(label=_("Phone"), max_length=40, required=False)
    email = forms.CharField(label=_("Mail"), max_length=120, required=False)
    address = forms.CharField(label=_("Address"), max_length=250, required=False)
    allergy = forms.CharField(
        label=_("Allergy that is not known here"),
        max_length=200,
        required=False,
        help_text=_("For example: contrast medium, hives"),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, prefix="correct", **kwargs)
        sexes = [(sex.value, labels.SEX[sex].words) for sex in Sex if sex.value]
        self.offer("sex", [("", _("As it is")), *sexes])

    def clean_birth_date(self) -> str:
        return birth_date_from(self.cleaned_data["birth_date"]).text

    def name_said(self) -> str:
        return str(person_from(self.cleaned_data["name"]))


class DocumentForm(PageForm):
    """A paper that was scanned, or a photograph of it."""

    file = forms.FileField(label=_("File"), help_text=_("PDF, JPEG, PNG or TIFF, up to 10 MB"))
    title = forms.CharField(
        label=_("What it is"), max_length=120, help_text=_("For example: referral, consent")
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, prefix="paper", **kwargs)
        self.fields["file"].widget.attrs["accept"] = ".pdf,.jpg,.jpeg,.png,.tif,.tiff"

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        sent = cleaned.get("file")
        if sent is None:
            return cleaned
        if sent.size > LARGEST:
            self.add_error("file", _("This file is larger than 10 MB: scan it in black and white."))
            return cleaned
        data = sent.read()
        kind = next((kind for start, kind in _KINDS if data.startswith(start)), "")
        if not kind:
            self.add_error("file", _("This is no PDF and no image: scan the paper as a PDF."))
        cleaned["data"], cleaned["media_type"] = data, kind
        return cleaned


AT_SITE = "site:"  # any room there


class WalkInForm(PageForm):
    """Somebody without an appointment: who, what, where; one page."""

    family_name = forms.CharField(
        label=_("Family name"),
        max_length=64,
        error_messages={"required": _("Find the patient, or say the name.")},
    )
    given_name = forms.CharField(label=_("Given name"), max_length=64, required=False)
    said_name = forms.CharField(
        label=_("Name, as the patient says it"), max_length=200, required=False
    )
    birth_date = forms.CharField(
        label=_("Birth date, as the patient says it"),
        max_length=20,
        required=False,
        help_text=_("As in 1954-12-31 or 31.12.1954; or only 1954-12 or 1954"),
    )
    sex = forms.ChoiceField(label=_("Sex"), required=False)
    phone = forms.CharField(label=_("Phone"), max_length=40, required=False)
    known = forms.BooleanField(
        label=_("None of these is this person: register a new patient"), required=False
    )
    side = forms.ChoiceField(label=_("Side"), choices=SIDES, required=False)
    reason = forms.CharField(
        label=_("Reason for the exam"), max_length=2000, widget=forms.Textarea(attrs={"rows": 2})
    )
    requester = forms.CharField(
        label=_("Requested by"),
        max_length=120,
        required=False,
        help_text=_("Family name, given name"),
    )
    device = forms.ChoiceField(label=_("Room"), required=False)
    squeeze = forms.BooleanField(
        label=_("Nothing free: book over what is there, now"), required=False
    )
    squeeze_reason = forms.CharField(label=_("Why book over"), max_length=200, required=False)
    patient = forms.CharField(widget=forms.HiddenInput, required=False)
    again = forms.BooleanField(label=_("Order it once more all the same"), required=False)
    token = forms.CharField(widget=forms.HiddenInput, max_length=64)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.offer("sex", [(sex.value, labels.SEX[sex].words) for sex in Sex])
        label = str(_("Exam"))
        choices, words = catalog()
        select = exam_select(label)
        select.words = words
        self.add({"procedure": forms.ChoiceField(label=label, choices=choices, widget=select)})
        # Nobody is taken in without a name; whoever is known has one.
        self.fields["family_name"].required = not self["patient"].value()
        self.offer("device", [("", _("The first that is free")), *_places()])

    def clean_birth_date(self) -> str:
        text = str(self.cleaned_data["birth_date"]).strip()
        birth_date_from(text)
        return text

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if cleaned.get("squeeze") and not cleaned.get("squeeze_reason", "").strip():
            self.add_error("squeeze_reason", _("Booking over needs a reason."))
        return cleaned


def _places() -> list[tuple[str, str]]:
    """The sites, where there are several, then each room, with its site then."""
    devices = Device.objects.select_related("room__site", "resource__site").filter(active=True)
    rows = [(row, site_of(row)) for row in devices.order_by("modality", "ae_title")]
    sites = {site.pk: site for _row, site in rows if site is not None}
    offered = []
    if len(sites) > 1:
        named = sorted(sites.values(), key=lambda site: site.name)
        words = str(_("The first that is free: {site}"))
        offered = [(f"{AT_SITE}{site.pk}", words.format(site=site.name)) for site in named]
    for row, site in rows:
        room = f"{row.room.name if row.room else row.ae_title} ({row.modality})"
        where = f", {site.name}" if site is not None and len(sites) > 1 else ""
        offered.append((str(row.public_id), f"{room}{where}"))
    return offered


class DeskForm(PageForm):
    """What a site prints and its waiting room shows."""

    site = forms.ChoiceField(label=_("Site"))
    label = forms.ChoiceField(
        label=_("Labels"),
        choices=[
            (LabelSize.SMALL.value, _("50 × 25 mm")),
            (LabelSize.MEDIUM.value, _("62 × 29 mm")),
            (LabelSize.LARGE.value, _("89 × 36 mm")),
            (LabelSize.WIDE.value, _("102 × 51 mm")),
            (LabelSize.A4_24.value, _("A4 sheet of 24 (70 × 37 mm)")),
            (LabelSize.A4_40.value, _("A4 sheet of 40 (52.5 × 29.7 mm)")),
        ],
    )
    names = forms.ChoiceField(
        label=_("The waiting room shows"),
        choices=[
            (WallNames.NUMBER.value, _("the number of the day")),
            (WallNames.INITIALS.value, _("initials and the number")),
        ],
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.offer("site", site_choices())


class ScreenForm(PageForm):
    """A screen that may show the wall without a login."""

    site = forms.ChoiceField(label=_("Site"))
    kind = forms.ChoiceField(
        label=_("It shows"),
        choices=[
            (WallKind.WAITING.value, _("who is called (waiting room)")),
            (WallKind.CONTROL.value, _("how the rooms stand (control room)")),
        ],
    )
    name = forms.CharField(
        label=_("Which screen"), max_length=80, help_text=_("For example: waiting room, left")
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, prefix="screen", **kwargs)
        self.offer("site", site_choices())


def site_choices() -> list[tuple[str, str]]:
    return [(str(site.public_id), site.name) for site in Site.objects.order_by("name")]
