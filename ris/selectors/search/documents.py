"""The documents of signed report versions among those that clients sent (DocumentReference).

Each version is a document of its own that replaces the one before. Its bytes are read as a Binary
of the same id, which is never found by a search: whoever may see the document is given the address.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.db.models import Exists, F, OuterRef, Q, QuerySet

from ris.domain.reporting import ReportStatus, VersionKind
from ris.models import ReportVersion, Site
from ris.selectors.report_documents import of_versions
from ris.selectors.search import beside, changed, signed, terms
from ris.selectors.search.beside import ALL, LOINC, Column, Reference, Typed, constant, state, time
from ris.selectors.search.criteria import KeptCriteria
from ris.selectors.search.engine import Finder, Source
from ris.selectors.search.exams import reports
from ris.selectors.search.index import Pair, Target, Test, Token
from ris.selectors.search.kept import kept
from ris.selectors.search.views import KeptHit, ReportHit, VersionHit

TYPE, CONTENT = "DocumentReference", "Binary"
Hit = KeptHit | VersionHit

REPORT_CODE = (LOINC, "18748-4")  # Diagnostic imaging study
RADIOLOGY_CODE = (LOINC, "LP29684-5")
REPLACES = ("http://hl7.org/fhir/document-relationship-type", "replaces")

# --- one test of a parameter as a condition on versions

_WITHDRAWN = Q(report__status=ReportStatus.RETRACTED.value)
_LATER = Exists(
    ReportVersion.objects.filter(report=OuterRef("report"), number__gt=OuterRef("number"))
)
_VERIFIED = ~Q(kind=VersionKind.PRELIMINARY.value)
_REPLACING = Q(number__gt=1)
_ABOUT = {
    "report__public_id": "DiagnosticReport",
    "report__procedures__order__public_id": "ServiceRequest",
    "report__procedures__public_id": "ServiceRequest",
}
_SIGNER = "signer__practitioner__public_id"
_RESIDENT = "resident__practitioner__public_id"


def _authenticator(test: Target) -> Q:
    return _VERIFIED & Column(_SIGNER)(test)


def _authenticators(rows: QuerySet[Any]) -> list[QuerySet[Any, Any]]:
    return Column(_SIGNER).targets(rows.filter(_VERIFIED))


def _author_called(test: Test) -> Q:
    return signed.login("signer")(test) | signed.login("resident")(test)


def _authenticator_called(test: Test) -> Q:
    return _VERIFIED & signed.login("signer")(test)


def _custodian(test: Target) -> Q:
    return Q(Exists(Site.objects.filter(test.among("public_id"))))


def _custodians(rows: QuerySet[Any]) -> list[QuerySet[Any, Any]]:
    return [Site.objects.filter(Exists(rows)).values("public_id")]


def _before(test: Target) -> Q:
    """The version that it replaces."""
    return Q(
        Exists(
            ReportVersion.objects.filter(
                test.among("public_id"),
                report=OuterRef("report"),
                number=OuterRef("number") - 1,
            )
        )
    )


def _those_before(rows: QuerySet[Any]) -> list[QuerySet[Any, Any]]:
    later = rows.filter(report=OuterRef("report"), number=OuterRef("number") + 1)
    return [ReportVersion.objects.filter(Exists(later)).values("public_id")]


def _replaced(test: Test) -> Q:
    """``relatesTo``: both its code and the version that it replaces."""
    if isinstance(test, Pair):
        known = test.code == REPLACES[1] and test.system in {None, REPLACES[0]}
        return _REPLACING if known else terms.NOTHING
    return _RELATED(test)


def _location(test: Test) -> Q:
    """The address of its content."""
    if not isinstance(test, Token):
        return terms.NOTHING
    kind, _, public_id = test.code.rpartition("/")
    return terms.among(("public_id",), (public_id,)) if kind == CONTENT else terms.NOTHING


_RELATED = Reference(_before, _those_before)
_CONDITIONS: beside.Conditions = {
    "patient": (Column("report__order__patient__public_id"), ALL),
    "subject": (Column("report__order__patient__public_id"), ALL),
    "encounter": (Column("report__order__visit__public_id"), Q(report__order__visit__isnull=False)),
    "related": (Typed(_ABOUT), ALL),
    "type": (constant(REPORT_CODE), ALL),
    "type:text": (beside.words("Diagnostic imaging study"), ALL),
    "category": (constant(RADIOLOGY_CODE), ALL),
    "category:text": (beside.words("Radiology"), ALL),
    "status": (
        state(
            current=~_WITHDRAWN & ~Q(_LATER),
            superseded=~_WITHDRAWN & Q(_LATER),
            entered_in_error=_WITHDRAWN,
        ),
        ALL,
    ),
    "date": (time("signed_at"), ALL),
    "author": (
        Column(_SIGNER, _RESIDENT),
        Q(**{f"{_SIGNER}__isnull": False}) | Q(**{f"{_RESIDENT}__isnull": False}),
    ),
    "authenticator": (
        Reference(_authenticator, _authenticators),
        _VERIFIED & Q(**{f"{_SIGNER}__isnull": False}),
    ),
    "author:identifier": (_author_called, ALL),
    "authenticator:identifier": (_authenticator_called, _VERIFIED),
    "custodian": (Reference(_custodian, _custodians), Q(Exists(Site.objects.all()))),
    "contenttype": (beside.plain("application/pdf"), ALL),
    "location": (_location, ALL),
    "relation": (constant(REPLACES, rows=_REPLACING), _REPLACING),
    "relatesto": (_RELATED, _REPLACING),
    "relationship": (_replaced, _REPLACING),
}


beside.answer(TYPE, (ReportVersion.objects.all, _CONDITIONS))


# --- the table beside the kept ones


def _rows(criteria: KeptCriteria) -> QuerySet[Any]:
    rows = ReportVersion.objects.all()
    return beside.rows(rows, changed.VERSION, criteria, _changed, "report__updated_at")


def _changed(then: terms.Within) -> QuerySet[Any, Any]:
    return ReportVersion.objects.filter(report__in=changed.reports_changed(then)).values("pk")


def _load_versions(public_ids: Sequence[str]) -> dict[str, VersionHit]:
    keys = list(terms.as_keys(public_ids))
    names = {
        str(public_id): (str(report), number)
        for public_id, report, number in ReportVersion.objects.filter(
            public_id__in=keys
        ).values_list("public_id", "report__public_id", "number")
    }
    if not names:
        return {}
    hits = {
        hit.report.public_id: hit
        for hit in reports.load([*{report for report, _ in names.values()}])
        if isinstance(hit, ReportHit)
    }
    printed = of_versions(names.values())
    return {
        public_id: VersionHit(hits[name[0]], name[1], printed.get(name))
        for public_id, name in names.items()
        if name[0] in hits
    }


def documents(columns: Mapping[str, str]) -> Finder[KeptCriteria, Hit]:
    """``columns`` are the parameters of the index that are sorted by, with their column."""
    (sent,) = kept(TYPE, columns).sources
    own = beside.sorts(columns, {"updated": changed.VERSION, "date": F("signed_at")})
    return Finder(
        sources=(sent, Source(_rows, own)),
        load=lambda ids: beside.load(TYPE, ids, _load_versions),
    )


def contents(columns: Mapping[str, str]) -> Finder[KeptCriteria, Hit]:
    """Binaries: what clients sent is found, documents of versions are read by their id."""
    return Finder(
        sources=kept(CONTENT, columns).sources,
        load=lambda ids: beside.load(CONTENT, ids, _load_versions),
    )
