"""Keep, discard and forget drafts of orders. Nobody sees another's."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import timedelta

from ris.domain.actors import Role
from ris.domain.drafts import (
    KEPT_DAYS,
    LONGEST,
    MOST,
    Content,
    DiscardOrderDraft,
    ForgetOrderDrafts,
    SaveOrderDraft,
)
from ris.domain.errors import DeniedError, InvalidValueError, UnknownKeyError
from ris.models import OrderDraft
from ris.services._context import Context
from ris.services._locks import public_key
from ris.services._transition import touch


def save_order_draft(command: SaveOrderDraft, context: Context) -> str:
    content = _checked(command.content)
    draft = _own(command.draft, context) if command.draft else OrderDraft(owner_id=_owner(context))
    draft.title = command.title[:200]
    draft.patient_key = uuid.UUID(command.patient) if command.patient else None
    draft.content = content
    touch(draft, "title", "patient_key", "content")
    if not command.draft:
        _keep_the_newest(draft.owner_id)
    context.about(draft)
    return str(draft.public_id)


def discard_order_draft(command: DiscardOrderDraft, context: Context) -> None:
    draft = _own(command.draft, context)
    context.about(draft)
    draft.delete()


def forget_order_drafts(command: ForgetOrderDrafts, context: Context) -> int:
    before = context.now - timedelta(days=KEPT_DAYS)
    forgotten, _ = OrderDraft.objects.filter(updated_at__lt=before).delete()
    return forgotten


def _owner(context: Context) -> int:
    if context.actor.user_id is None:
        raise DeniedError("drafts belong to a login")
    return context.actor.user_id


def _own(key: str, context: Context) -> OrderDraft:
    """A draft of whoever asks; another's is as good as none."""
    draft = (
        OrderDraft.objects.select_for_update(of=("self",))
        .filter(public_id=public_key(key, "draft"), owner_id=_owner(context))
        .first()
    )
    if draft is None:
        raise UnknownKeyError("this draft was sent or discarded elsewhere")
    return draft


def _checked(content: Content | Mapping[str, tuple[str, ...]]) -> dict[str, list[str]]:
    if sum(len(name) + sum(map(len, values)) for name, values in content.items()) > LONGEST:
        raise InvalidValueError("this is too long for a draft")
    return {name: list(values) for name, values in content.items()}


def _keep_the_newest(owner: int) -> None:
    newest = OrderDraft.objects.filter(owner=owner).order_by("-updated_at", "-pk")
    kept = list(newest.values_list("pk", flat=True)[:MOST])
    OrderDraft.objects.filter(owner=owner).exclude(pk__in=kept).delete()


_PEOPLE = {Role.SCHEDULER, Role.FRONTDESK}

HANDLERS = {
    SaveOrderDraft: save_order_draft,
    DiscardOrderDraft: discard_order_draft,
    ForgetOrderDrafts: forget_order_drafts,
}
PERMISSIONS = {
    SaveOrderDraft: _PEOPLE,
    DiscardOrderDraft: _PEOPLE,
    ForgetOrderDrafts: {Role.SYSTEM},
}
