"""Send somebody to the images of an exam in a viewer of the site."""

from __future__ import annotations

from dataclasses import dataclass

from django.http import HttpResponse, HttpResponseRedirect
from django.utils.translation import gettext as _

from ris.domain.errors import StateConflictError, UnknownKeyError
from ris.selectors.viewers import SCHEMES, address_in, viewer_named, viewers
from ris.selectors.views import OrderView


class ViewerRedirect(HttpResponseRedirect):
    """To a web viewer, or to a program that has a scheme of its own."""

    allowed_schemes = sorted(SCHEMES)


@dataclass(frozen=True, slots=True)
class ViewerLink:
    """``name`` empty: the usual viewer."""

    name: str
    procedure: str


def links_to_images(shown: str) -> list[ViewerLink]:
    """A link for each viewer, to an exam that has images; none without one."""
    return [ViewerLink(each.name, shown) for each in viewers()] if shown else []


def to_images(order: OrderView, procedure: str, name: str) -> HttpResponse:
    """Go to a viewer; StateConflictError says why that cannot be. The caller audits."""
    viewer = viewer_named(name)
    if name and viewer is None:
        raise UnknownKeyError(_("there is no such viewer (settings: images)"))
    found = next((each for each in order.procedures if each.public_id == procedure), None)
    if found is None:
        raise UnknownKeyError(_("no such procedure"))
    if viewer is None or not found.performed:
        raise StateConflictError(
            _("there are no images to show yet, or no viewer is set up (settings: images)")
        )
    address = address_in(viewer, order, found)
    if not address:
        raise StateConflictError(
            _("this exam has a number that the viewer's command line could misunderstand")
        )
    return ViewerRedirect(address)
