"""Where images can be had: the archive's DICOMweb service, and the viewer for each study.

Both come from the settings ``images`` and are no rows: a search gives the archive, and the viewer
of a study is found through the study.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.conf import settings
from django.db.models import Q
from django.utils import timezone

from ris.selectors.search import terms
from ris.selectors.search.criteria import Common
from ris.selectors.search.engine import Finder, Found, Page
from ris.selectors.search.load import orders_with
from ris.selectors.search.terms import Terms, TextMode, TextTerm
from ris.selectors.search.views import EndpointHit
from ris.selectors.viewers import viewer_address

WADO_RS, VIEWER = "dicom-wado-rs", "ihe-iid"
ARCHIVE = "archive"  # its id
OF_STUDY = "viewer."  # and that of a viewer, followed by the study's

# Settings are as old as the process.
_SINCE = timezone.now()


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointCriteria(Common):
    connection_types: Terms[str] = ()
    names: Terms[TextTerm] = ()
    statuses: frozenset[bool] | None = None


def viewer_id(study: str) -> str:
    return f"{OF_STUDY}{study}"


def told() -> tuple[bool, bool]:
    """Whether an archive and a viewer are named in the settings."""
    return bool(settings.WADO_RS), bool(settings.VIEWER_URL)


def _archive() -> list[EndpointHit]:
    if not settings.WADO_RS:
        return []
    return [EndpointHit(ARCHIVE, WADO_RS, "Image archive", settings.WADO_RS, _SINCE)]


def load(public_ids: Sequence[str]) -> list[EndpointHit]:
    found = {hit.public_id: hit for hit in _archive()}
    studies = [each.removeprefix(OF_STUDY) for each in public_ids if each.startswith(OF_STUDY)]
    keys = list(terms.as_keys(studies)) if settings.VIEWER_URL else []
    if keys:
        wanted = {str(key) for key in keys}
        orders = orders_with(
            Q(procedures__public_id__in=keys), performed=True, series=False, identifiers=True
        )
        for order in orders:
            for procedure in order.procedures:
                address = viewer_address(order, procedure)
                if procedure.public_id in wanted and address:
                    own_id = viewer_id(procedure.public_id)
                    found[own_id] = EndpointHit(own_id, VIEWER, "Viewer", address, _SINCE)
    return [found[each] for each in dict.fromkeys(public_ids) if each in found]


class Settings(Finder[EndpointCriteria, EndpointHit]):
    """Searches in what the settings name; there is one row at most."""

    __slots__ = ()

    @property
    def sorts(self) -> tuple[str, ...]:
        return ("_id", "updated", "name")

    def search(self, criteria: EndpointCriteria, page: Page) -> Found[EndpointHit]:
        if page.after is not None or not page.size:
            return Found(())
        return Found(tuple(hit for hit in _archive() if _passes(hit, criteria)))

    def keys(self, criteria: EndpointCriteria, page: Page) -> Found[str]:
        return Found(tuple(hit.public_id for hit in self.search(criteria, page).hits))

    def count(self, criteria: EndpointCriteria) -> int:
        return len(self.search(criteria, Page(1)).hits)


def _passes(hit: EndpointHit, criteria: EndpointCriteria) -> bool:
    if not criteria.possible or criteria.indexed or criteria.updated:
        return False
    if any(present for _, present in criteria.present):
        return False
    if criteria.statuses is not None and True not in criteria.statuses:
        return False
    named = all(any(_named(hit.name, term) for term in either) for either in criteria.names)
    return (
        named
        and all(hit.public_id in either for either in criteria.public_ids)
        and all(hit.connection_type in either for either in criteria.connection_types)
    )


def _named(name: str, term: TextTerm) -> bool:
    if term.mode is TextMode.EXACT:
        return name == term.text
    at = name.lower().find(term.text.lower())
    return at >= 0 if term.mode is TextMode.CONTAINS else at == 0


endpoints: Finder[EndpointCriteria, EndpointHit] = Settings(sources=(), load=load)
