"""Where images are looked at: the viewers' addresses for a study (settings ``images``).

A viewer is a template in the form that its makers document::

    OHIF     https://viewer.example/viewer?StudyInstanceUIDs={study}
    Stone    https://pacs.example/stone-webviewer/index.html?study={study}
    IID      https://pacs.example/IHEInvokeImageDisplay?requestType=STUDY&studyUID={study}
             &accessionNumber={accession}   (IHE RAD TF-2 4.106)
    Weasis   weasis://$dicom:rs --url "https://pacs.example/dicom-web" -r "studyUID={study}"
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from django.conf import settings

from ris.selectors.views import OrderView, ProcedureView

FIELDS = ("study", "accession", "patient")
WEB = frozenset({"https", "http"})
COMMAND = "weasis"  # the rest of its address is a command line, percent-encoded as a whole
SCHEMES = WEB | {COMMAND}

# What would end a quoted word of a command line, or begin another command.
_UNSAFE = re.compile(r"[\"'\\$`;&|<>\s\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Viewer:
    name: str
    template: str

    @property
    def is_web(self) -> bool:
        return urlsplit(self.template).scheme in WEB


def viewers() -> list[Viewer]:
    """Those of the site, the usual one first. What has another scheme is none."""
    named: Mapping[str, str] = settings.VIEWERS
    found = [Viewer("", settings.VIEWER_URL)] if settings.VIEWER_URL else []
    found += [Viewer(name, template) for name, template in named.items()]
    return [each for each in found if urlsplit(each.template).scheme in SCHEMES]


def viewer_named(name: str) -> Viewer | None:
    """A viewer by its name; the usual one for none."""
    every = viewers()
    if not name:
        return every[0] if every else None
    return next((each for each in every if each.name == name), None)


def viewer_address(order: OrderView, procedure: ProcedureView) -> str:
    """The usual web viewer showing what was made of a procedure; empty without one or images."""
    usual = next((each for each in viewers() if each.is_web), None)
    return address_in(usual, order, procedure) if usual is not None else ""


def address_in(viewer: Viewer, order: OrderView, procedure: ProcedureView) -> str:
    """What shows a procedure in a viewer; empty without images.

    A modality that made up a study of its own is followed there.
    """
    performed = procedure.performed
    if not performed:
        return ""
    return filled(
        viewer.template,
        {
            "study": performed[0].study_instance_uid or procedure.study_instance_uid,
            "accession": order.accession.value,
            "patient": order.patient.identifier.value,
        },
    )


def filled(template: str, values: Mapping[str, str]) -> str:
    """A template with its placeholders, escaped; empty if a value cannot be said to it."""
    scheme, _, rest = template.partition("://")
    if scheme != COMMAND:
        return _put(template, {name: quote(values[name], safe="") for name in FIELDS})
    if any(f"{{{name}}}" in rest and _UNSAFE.search(values[name]) for name in FIELDS):
        return ""
    encoded = "%" in rest and " " not in rest  # it was copied from an address bar
    if encoded:
        return f"{scheme}://" + _put(rest, {name: quote(values[name], safe="") for name in FIELDS})
    return f"{scheme}://" + quote(_put(rest, values), safe="")


def _put(template: str, values: Mapping[str, str]) -> str:
    """All at once, so that no value is looked through for placeholders."""
    return re.sub(r"\{(study|accession|patient)\}", lambda found: values[found[1]], template)
