"""Who may talk to us, and how each device wants to be treated (dicom.md SEC-04).

The register of devices is data that operators change while this runs; a change counts after a
second at most, for associations that are open already too.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta, tzinfo
from functools import lru_cache
from threading import Lock
from time import monotonic
from typing import Any
from zoneinfo import ZoneInfo

import structlog
from django.db import Error as DatabaseError

from ris.config_sections import Dicom
from ris.domain.actors import Actor, device_actor
from ris.domain.orders import OFFERED, StepStatus
from ris.selectors import archives, facility
from ris.selectors.archives import Caller
from ris.selectors.facility import DeviceView, SiteView
from ris.services.audit import record_security
from worklist import charset
from worklist.access import Access
from worklist.attributes import STEP_STATUSES
from worklist.charset import CharacterSet
from worklist.passcodes import Passcodes
from worklist.rules import STANDARD, Rules, View, groups_of
from worklist.service import (
    CALLED_AE_NOT_RECOGNIZED,
    CALLING_AE_NOT_RECOGNIZED,
    Admission,
    AssociationRequest,
    Rejection,
)

log = structlog.get_logger(__name__)

_REFUSALS_KEPT = 256
_REFUSAL_SECONDS = 60.0


Window = tuple[timedelta, timedelta]  # before and after the beginning of today


@dataclass(frozen=True, slots=True)
class Profile:
    """How one calling AE title is served; the register's ``settings`` and ``character_sets``.

    ========================  ==========================================================
    ``mpps``                  ``repair`` (default) or ``strict``
    ``mpps_repeats``          ``accept``: an N-CREATE that is the same to the byte as its first
                              gets the first answer again; ``refuse`` (default): 0111
    ``mpps_close_hours``      hours of silence after which its exams are ended; 0: never (default:
                              the site's)
    ``offers``                what is shown if the query does not say: a list of SCHEDULED,
                              ARRIVED, READY (the default is these three), STARTED, DEPARTED
    ``offer_started``         also offer steps that were started (default: no)
    ``window_days``           ``[before, after]`` today, for queries that name no day, patient
                              or number; ``[]`` for no window (default: the site's setting)
    ``stations``              shown are only steps for these AE titles; wildcards allowed
    ``modalities``            shown are only steps of these modalities
    ``sites``                 shown are only steps for the stations of these sites
    ``worklist``              shown is only what the named worklist of the settings holds
    ``own_station``           a query that names no station asks for the device's own steps
    ``shares_list_with``      AE titles of stations that may do each other's steps
    ``aliases``               former AE titles of the device
    ``operator_names``        names are read as people type them: ``Doe, J``, ``Doe John``, and
                              without a comma or caret as the beginning of a family name
    ``step_keys_at_root``     keys of the scheduled step count outside of its sequence too
    ``queries``               ``tolerant`` (default) or ``strict``: lists of values, several
                              items and stray keys are refused with A900
    ``send_time_zone``        every answer has (0008,0201), whether asked for or not
    ``text``                  ``auto`` (default): the query's character set, else the device's,
                              else ISO_IR 192; ``fixed``: the device's, with letters it lacks
                              transliterated; ``ascii``: everything transliterated to ASCII
    ``fixed_character_set``   answer in the device's own set first, not in the query's
    ``listens_at``            ``host:port`` where the device answers C-ECHO, for the test on its
                              page
    ``tls``                   ``required``: refused without TLS
    ``certificate_sha256``    refused with any other client certificate
    ``certificate_name``      refused unless its verified client certificate is for this host,
                              address or common name
    ``user_name``             refused unless it identifies itself as this user (user identity
                              negotiation, kind 1 or 2)
    ``passcode``              and with this passcode, as ``ris passcode`` prints it
    ``services``              a list of the only services it is offered: ``worklist``, ``mpps``,
                              ``availability``, ``dose``, ``commitment``; verification is always.
                              Who may tell what images are there must be named so:
                              ``availability``
    ``associations``          how many it may have open at once, in each process
    ``queries_per_minute``    above which its queries are answered A700, in each process
    ========================  ==========================================================
    """

    ae_title: str
    modality: str = ""
    addresses: str = ""
    active: bool = True
    known: bool = False
    character_sets: tuple[str, ...] = ()
    strict_mpps: bool = False
    accept_repeats: bool = False
    offers: frozenset[StepStatus] = OFFERED
    window: Window | None = None
    view: View = field(default=View())
    worklist: str = ""
    own_station: bool = False
    rules: Rules = STANDARD
    text: str = "auto"
    fixed_character_set: bool = False
    access: Access = field(default=Access())

    @classmethod
    def of(
        cls, device: DeviceView, *, site_window: Window | None = None, rules: Rules = STANDARD
    ) -> Profile:
        """As registered; ``site_window`` and ``rules`` are what holds for the whole site."""
        settings = device.settings
        return cls(
            ae_title=device.ae_title,
            modality=device.modality,
            addresses=device.address,
            active=device.active,
            known=True,
            character_sets=tuple(device.character_sets),
            strict_mpps=settings.get("mpps") == "strict",
            accept_repeats=settings.get("mpps_repeats") == "accept",
            offers=_offers(settings),
            window=window(settings["window_days"]) if "window_days" in settings else site_window,
            view=View(
                _names(settings.get("stations")),
                _names(settings.get("modalities")),
                _names(settings.get("sites")),
            ),
            worklist=str(settings.get("worklist", "")),
            own_station=settings.get("own_station") is True,
            rules=replace(
                rules,
                operator_names=settings.get("operator_names") is True,
                step_keys_at_root=settings.get("step_keys_at_root") is True,
                strict=settings.get("queries") == "strict",
                send_time_zone=settings.get("send_time_zone") is True,
            ),
            text=str(settings.get("text", "auto")),
            fixed_character_set=settings.get("fixed_character_set") is True,
            access=Access.of(settings),
        )

    @classmethod
    def of_archive(cls, caller: Caller) -> Profile:
        """An archive: an inbound one tells what it has and passes dose reports on.

        One that is only sent to calls to answer a request for storage commitment. Its endpoint may
        name a host rather than an address; what it answers counts only with a number we gave it.
        """
        services = ["availability", "dose", "commitment"] if caller.is_inbound else ["commitment"]
        return cls(
            ae_title=caller.ae_title,
            addresses=caller.host if caller.is_inbound or _is_address(caller.host) else "",
            known=True,
            access=Access.of({"services": services}),
        )

    def objection(self, address: str) -> str:
        """Why it may not be served there, in our words; nothing if it may."""
        if not self.active:
            return "device is not active"
        return "" if is_allowed(address, self.addresses) else "address is not that of the device"

    @property
    def default_character_set(self) -> CharacterSet:
        """What its text is in if a dataset does not say."""
        if not self.character_sets:
            return charset.ASCII
        extended = any("2022" in term for term in self.character_sets)
        try:
            return charset.character_set(
                self.character_sets if extended else self.character_sets[:1]
            )
        except charset.UnknownCharacterSetError:
            return charset.ASCII

    def answer_sets(self, query: Sequence[str]) -> tuple[CharacterSet, ...]:
        return charset.candidates(
            query, self.character_sets, device_first=self.fixed_character_set, mode=self.text
        )


def _names(value: Any) -> tuple[str, ...]:
    return tuple(map(str, value)) if isinstance(value, list) else ()


def _offers(settings: Mapping[str, Any]) -> frozenset[StepStatus]:
    terms = _names(settings.get("offers"))
    shown = frozenset(one for one, term in STEP_STATUSES.items() if term in terms) or OFFERED
    return shown | {StepStatus.STARTED} if settings.get("offer_started") is True else shown


def window(value: Any) -> Window | None:
    """Two numbers of days as a window; None for anything else."""
    if (
        isinstance(value, list | tuple)
        and len(value) == 2
        and all(isinstance(one, int) for one in value)
    ):
        # The last day belongs to it.
        return timedelta(days=abs(value[0])), timedelta(days=abs(value[1]) + 1)
    return None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The register and the site as they were less than a second ago."""

    profiles: Mapping[str, Profile]
    zone: tzinfo
    until: float
    window: Window | None = None
    shared: tuple[tuple[str, ...], ...] = ()
    sites: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # AE titles by site
    worklists: Mapping[str, View] = field(default_factory=dict)

    def profile(self, ae_title: str) -> Profile:
        """How a caller is served; one that is not registered, by the defaults of the site."""
        title = ae_title.strip()
        return self.profiles.get(title) or Profile(
            title, window=self.window, rules=Rules(shared=self.shared)
        )

    @classmethod
    def of(
        cls,
        devices: Sequence[DeviceView],
        zone: tzinfo,
        until: float = 0.0,
        *,
        window: Window | None = None,
        worklists: Mapping[str, View] | None = None,
        archives: Sequence[Caller] = (),
    ) -> Snapshot:
        shared = groups_of(
            (
                device.ae_title,
                (
                    *_names(device.settings.get("shares_list_with")),
                    *_names(device.settings.get("aliases")),
                ),
            )
            for device in devices
        )
        rules = Rules(shared=shared)
        profiles = {
            device.ae_title: Profile.of(device, site_window=window, rules=rules)
            for device in devices
        }
        registered = set(profiles)
        sites: dict[str, list[str]] = {}
        for device in devices:
            aliases = _names(device.settings.get("aliases"))
            profiles |= {
                alias: profiles[device.ae_title] for alias in aliases if alias not in registered
            }
            sites.setdefault(device.site, []).extend((device.ae_title, *aliases))
        for archive in archives:
            profiles.setdefault(archive.ae_title, Profile.of_archive(archive))
        return cls(
            profiles,
            zone,
            until,
            window=window,
            shared=shared,
            sites={site: tuple(titles) for site, titles in sites.items()},
            worklists=worklists or {},
        )


@dataclass(slots=True)
class Registry:
    """Looks devices up, and decides on associations."""

    ae_title: str
    accept_unknown: bool = False
    seconds: float = 1.0
    devices: Callable[[], Sequence[DeviceView]] = facility.devices
    site: Callable[[], SiteView] = facility.site
    archives: Callable[[], Sequence[Caller]] = archives.callers
    window: Window | None = None  # for broad queries of devices that have none of their own
    worklists: Mapping[str, View] = field(default_factory=dict)  # by the AE title they are called
    queries_per_minute: int | None = None  # of devices that have no number of their own
    passcodes: Passcodes = field(default_factory=Passcodes)
    _snapshot: Snapshot | None = None
    _lock: Lock = field(default_factory=Lock)
    _refused: dict[tuple[str, str], float] = field(default_factory=dict)

    def fresh(self) -> Snapshot | None:
        """The present register, if it was read less than a second ago."""
        known = self._snapshot
        return known if known is not None and monotonic() < known.until else None

    def snapshot(self) -> Snapshot:
        """The present register; during an outage of the database the last one known."""
        known = self.fresh()
        if known is not None:
            return known
        with self._lock:
            known = self.fresh()
            if known is not None:
                return known
            known = self._snapshot
            try:
                fresh = Snapshot.of(
                    self.devices(),
                    ZoneInfo(self.site().time_zone),
                    monotonic() + self.seconds,
                    window=self.window,
                    worklists=self.worklists,
                    archives=self.archives(),
                )
            except DatabaseError as error:
                if known is None:
                    raise
                log.warning("the register of devices cannot be read", error=type(error).__name__)
                return known
            self._snapshot = fresh
            return fresh

    def admit(self, request: AssociationRequest) -> Admission | Rejection:
        """Let the caller in, or say why not (PS3.8 9.3.4)."""
        called = request.called_ae_title.strip()
        if called != self.ae_title.strip() and called not in self.worklists:
            return self._refuse(request, CALLED_AE_NOT_RECOGNIZED, "called by another AE title")
        profile = self.snapshot().profile(request.calling_ae_title)
        reason = self._objection(profile, request)
        if reason:
            return self._refuse(request, CALLING_AE_NOT_RECOGNIZED, reason)
        refused = profile.access.objection(request, self.passcodes)
        if refused is not None:
            return self._refuse(request, refused, refused.reason)
        return profile.access.admission(actor_of(request), self.queries_per_minute)

    def _objection(self, profile: Profile, request: AssociationRequest) -> str:
        if not profile.known:
            return "" if self.accept_unknown else "AE title is not registered"
        return profile.objection(request.address)

    def _refuse(self, request: AssociationRequest, how: Rejection, reason: str) -> Rejection:
        log.warning(
            "association refused",
            reason=reason,
            calling_ae_title=request.calling_ae_title,
            called_ae_title=request.called_ae_title,
            address=request.address,
        )
        if self._is_news(request):
            try:
                record_security(
                    actor_of(request), action="RefuseAssociation", detail={"reason": reason}
                )
            except DatabaseError as error:
                log.warning("a refusal could not be audited", error=type(error).__name__)
        return Rejection(how.result, how.source, how.diagnostic, reason)

    def _is_news(self, request: AssociationRequest) -> bool:
        """Once a minute for each caller: a scanner that keeps trying must not fill the audit."""
        caller = (request.calling_ae_title, request.address)
        now = monotonic()
        with self._lock:
            if now - self._refused.get(caller, -_REFUSAL_SECONDS) < _REFUSAL_SECONDS:
                return False
            if len(self._refused) >= _REFUSALS_KEPT:
                self._refused.clear()
            self._refused[caller] = now
            return True


def configured(dicom: Dicom) -> Registry:
    """The register with what the settings say of the whole site."""
    return Registry(
        dicom.ae_title,
        accept_unknown=dicom.unknown_ae == "accept",
        window=window(dicom.window_days),
        queries_per_minute=dicom.queries_per_minute or None,
        worklists={
            title: View(one.stations, one.modalities, one.sites)
            for title, one in dicom.worklists.items()
        },
    )


def present() -> Snapshot:
    """The register as it is, for who is no listener."""
    return Registry(ae_title="", seconds=0).snapshot()


def actor_of(request: AssociationRequest) -> Actor:
    return device_actor(request.calling_ae_title.strip(), request.address)


@lru_cache(maxsize=4096)
def is_allowed(address: str, allowed: str) -> bool:
    """Whether an address is ``allowed``, an address or a network (CIDR); none means any is."""
    if not allowed:
        return True
    try:
        caller = ipaddress.ip_address(address.partition("%")[0])
        network = ipaddress.ip_network(allowed, strict=False)
    except ValueError:
        return False
    # A dual-stack socket shows IPv4 callers as ::ffff:10.1.2.3.
    return (getattr(caller, "ipv4_mapped", None) or caller) in network


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
