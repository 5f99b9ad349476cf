"""What was agreed with one peer, ready for the translators: settings, zone, character set, names.

What a peer's settings may say is in :mod:`.settings`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import tzinfo

from integration.hl7 import charset as charsets
from integration.hl7 import times, versions
from integration.hl7.charset import Charset
from integration.hl7.mapping.applying import of_endpoint
from integration.hl7.mapping.engine import Compiled
from integration.hl7.settings import MOVABLE as MOVABLE
from integration.hl7.settings import Settings as Settings
from integration.hl7.settings import check_settings as check_settings
from integration.hl7.settings import read_settings as read_settings
from ris.domain.protocol import EndpointInfo
from ris.selectors.facility import SiteView

DEFAULT_VERSION = "2.5.1"
NEW_SEGMENTS = (2, 5)  # from here on TQ1 and IPC carry what ORC-7, OBR-27 and ZDS did


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What a translator needs to know of one peer and one site."""

    settings: Settings = field(default_factory=Settings)
    zone: tzinfo
    charset: Charset  # of our messages; the default for those of the peer
    version: str = DEFAULT_VERSION
    peer: tuple[str, str] = ("", "")  # application and facility
    facility: str = ""
    default_authority: str
    order_authority: str = ""
    mapping: Compiled | None = None  # rewrites what comes from it, or goes to it
    message: str = ""  # MSH-9.1 of what is being read

    @property
    def is_authority(self) -> bool:
        """Whether this message may change who a known patient is."""
        return self.message in self.settings.authoritative

    @property
    def leaves_out(self) -> bool:
        """Whether a message is taken without what cannot be read of it and nothing hangs on."""
        return self.settings.level != "tables"

    @property
    def visit_authority(self) -> str:
        return self.settings.visit_authority or self.default_authority

    @property
    def own(self) -> tuple[str, str]:
        """Our application and facility."""
        return (self.settings.application, self.facility)

    @property
    def has_new_segments(self) -> bool:
        """Whether our messages use TQ1, IPC and an ERR for each fault (from 2.5 on)."""
        return versions.numbers(self.version) >= NEW_SEGMENTS


def profile(
    endpoint: EndpointInfo, site: SiteView, *, sender: tuple[str, str] = ("", "")
) -> Profile:
    """The profile of a configured endpoint; ``sender`` is MSH-3 and MSH-4 of its message."""
    settings = read_settings(endpoint.settings)
    application, _, facility = endpoint.protocol_name.partition("^")
    named = (application, facility) if application else sender
    return Profile(
        settings=settings,
        zone=times.zone(endpoint.time_zone or site.time_zone, path="time_zone"),
        charset=charsets.find("", endpoint.character_set or charsets.UTF_8),
        version=endpoint.version or DEFAULT_VERSION,
        peer=named,
        facility=settings.facility or _facility(site),
        default_authority=settings.default_authority or sender[1] or site.patient_id_issuer,
        order_authority=settings.order_authority or named[0],
        mapping=of_endpoint(endpoint, settings.paths),
    )


def for_unknown_sender(site: SiteView, sender: tuple[str, str]) -> Profile:
    """The profile of a sender that nobody registered, where such are accepted (the demo)."""
    return Profile(
        settings=Settings(processing_ids=("P", "T", "D")),
        zone=times.zone(site.time_zone, path="time_zone"),
        charset=charsets.find("", charsets.UTF_8),
        peer=sender,
        facility=_facility(site),
        default_authority=sender[1] or site.patient_id_issuer,
        order_authority=sender[0],
    )


def _facility(site: SiteView) -> str:
    """The site for MSH-4: an HD whose namespace holds twenty characters."""
    return (site.institution or site.name)[:20].strip()
