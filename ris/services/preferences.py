"""What a person likes, kept with the login."""

from __future__ import annotations

from ris.domain.actors import LOGINS
from ris.domain.errors import UnknownKeyError
from ris.domain.preferences import PreferencesSet, SetPreferences, check
from ris.models import User
from ris.services._context import Context


def set_preferences(command: SetPreferences, context: Context) -> None:
    key = context.actor.user_id
    user = User.objects.filter(pk=key).first() if key is not None else None
    if user is None:
        raise UnknownKeyError("only somebody with a login has preferences")
    keys = {ours: pressed for ours, pressed in command.keys.items() if pressed != ours}
    check(command.language, keys, command.theme)
    user.preferences = {"language": command.language, "keys": keys}
    user.theme = command.theme
    user.save(update_fields=["preferences", "theme"])
    context.emit(PreferencesSet(username=user.username), subject=user)


HANDLERS = {SetPreferences: set_preferences}

PERMISSIONS = {SetPreferences: LOGINS}
