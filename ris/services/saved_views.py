"""Keep lists under a name, for oneself or for a role."""

from __future__ import annotations

from django.db.models import Q, QuerySet

from ris.domain.actors import LOGINS, Role
from ris.domain.errors import DeniedError, InvalidValueError, MissingValueError, UnknownKeyError
from ris.domain.saved_views import (
    MOST,
    DeleteView,
    SaveView,
    SetDefaultView,
    ViewedPage,
    ViewShared,
    normal,
)
from ris.models import SavedView
from ris.services._context import Context
from ris.services._locks import public_key
from ris.services._transition import touch

_SHARING = (Role.ADMIN, Role.MANAGER)


def save_view(command: SaveView, context: Context) -> str:
    name = " ".join(command.name.split())
    if not name:
        raise MissingValueError("a view needs a name", path="name")
    query = normal(command.page, command.query)
    if len(name) > 60 or len(query) > 1000:
        raise InvalidValueError("this name or view is too long", path="name")
    page = ViewedPage(command.page)
    role = _role(command.role, context)
    mine = _beside(role, page, context)
    view = mine.filter(name__iexact=name).first()
    if view is None:
        if mine.count() >= MOST:
            raise InvalidValueError(f"{MOST} views are kept of a page; delete one", path="name")
        view = SavedView(page=page.value, role=role)
        if not role:
            view.owner_id = _owner(context)
    if command.is_default:
        mine.exclude(pk=view.pk).filter(is_default=True).update(is_default=False)
    view.name, view.query = name, query
    view.is_default = command.is_default
    touch(view, "name", "query", "is_default")
    _tell(view, "saved", context)
    return str(view.public_id)


def delete_view(command: DeleteView, context: Context) -> None:
    view = _changeable(command.view, context)
    _tell(view, "deleted", context)
    view.delete()


def set_default_view(command: SetDefaultView, context: Context) -> None:
    view = _changeable(command.view, context)
    if command.is_default:
        others = _beside(view.role, ViewedPage(view.page), context)
        others.exclude(pk=view.pk).filter(is_default=True).update(is_default=False)
    view.is_default = command.is_default
    touch(view, "is_default")
    _tell(view, "opens first" if command.is_default else "opens no more", context)


def _owner(context: Context) -> int:
    if context.actor.user_id is None:
        raise DeniedError("views belong to a login")
    return context.actor.user_id


def _role(text: str, context: Context) -> str:
    """The role to share with; empty for oneself."""
    if not text:
        return ""
    if text not in LOGINS:
        raise InvalidValueError("no such role", path="role")
    context.require(*_SHARING, doing="sharing a view with a role")
    return text


def _beside(role: str, page: ViewedPage, context: Context) -> QuerySet[SavedView]:
    """The views among which a name, and the one that opens first, are alone."""
    whose = Q(role=role, owner=None) if role else Q(owner=_owner(context))
    return SavedView.objects.filter(whose, page=page.value)


def _changeable(key: str, context: Context) -> SavedView:
    view = (
        SavedView.objects.select_for_update(of=("self",))
        .filter(public_id=public_key(key, "view"))
        .first()
    )
    if view is None or (view.owner_id is not None and view.owner_id != _owner(context)):
        raise UnknownKeyError("no such view")
    if view.role:
        context.require(*_SHARING, doing="changing a view of a role")
    return view


def _tell(view: SavedView, what: str, context: Context) -> None:
    """What concerns others is told; what somebody keeps for themselves is only audited."""
    if view.role:
        context.emit(
            ViewShared(page=view.page, view_name=view.name, role=view.role, what=what),
            subject=view,
        )
    else:
        context.about(view)


HANDLERS = {
    SaveView: save_view,
    DeleteView: delete_view,
    SetDefaultView: set_default_view,
}
PERMISSIONS = dict.fromkeys((SaveView, DeleteView, SetDefaultView), LOGINS)
