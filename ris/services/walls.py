"""What a site's front desk prints, and the screens that show its wall without a login."""

from __future__ import annotations

from ris.domain.actors import Role
from ris.domain.arrivals import (
    ConfigureDesk,
    DeskConfigured,
    IssueWallLink,
    RevokeWallLink,
    WallLinkIssued,
    WallLinkRevoked,
)
from ris.domain.errors import MissingValueError, StateConflictError, UnknownKeyError
from ris.models import DeskSettings, Site, WallLink
from ris.services._context import Context
from ris.services._locks import public_key
from ris.services._transition import touch


def _site(key: str) -> Site:
    site = Site.objects.filter(public_id=public_key(key, "site")).first()
    if site is None:
        raise UnknownKeyError("no such site", path="site")
    return site


def configure_desk(command: ConfigureDesk, context: Context) -> None:
    site = _site(command.site)
    DeskSettings.objects.update_or_create(
        site=site, defaults={"label": command.label.value, "names": command.names.value}
    )
    context.emit(DeskConfigured(site=str(site.public_id)), subject=site)


def issue_wall_link(command: IssueWallLink, context: Context) -> str:
    name = command.name.strip()[:80]
    if not name:
        raise MissingValueError("say which screen it is for", path="name")
    link = WallLink.objects.create(
        site=_site(command.site),
        kind=command.kind.value,
        name=name,
        issued_by=(context.actor.display or context.actor.name)[:200],
    )
    context.emit(WallLinkIssued(link=str(link.public_id), kind=command.kind), subject=link)
    return str(link.public_id)


def revoke_wall_link(command: RevokeWallLink, context: Context) -> None:
    link = (
        WallLink.objects.select_for_update(of=("self",))
        .filter(public_id=public_key(command.link, "link"))
        .first()
    )
    if link is None:
        raise UnknownKeyError("no such link")
    if link.revoked_at is not None:
        raise StateConflictError("this link was taken back already")
    link.revoked_at = context.now
    link.revoked_by = (context.actor.display or context.actor.name)[:200]
    touch(link, "revoked_at", "revoked_by")
    context.emit(WallLinkRevoked(link=str(link.public_id)), subject=link)


HANDLERS = {
    ConfigureDesk: configure_desk,
    IssueWallLink: issue_wall_link,
    RevokeWallLink: revoke_wall_link,
}

_SETUP = {Role.MANAGER, Role.ADMIN, Role.SYSTEM}

PERMISSIONS = {ConfigureDesk: _SETUP, IssueWallLink: _SETUP, RevokeWallLink: _SETUP}
