"""Collect the words of the pages, also those that stand in our tables (`Label("Booked", …)`)."""

from __future__ import annotations

from django.core.management.commands import makemessages

from ris.domain.errors import RisError


def _kinds(kind: type[RisError]) -> list[type[RisError]]:
    """Every refusal of the core, whose words are the first that it is given."""
    return [kind, *(below for each in kind.__subclasses__() for below in _kinds(each))]


class Command(makemessages.Command):
    """What Django's own does, for our keywords too, and without line numbers.

    A catalog changes when words change, not whenever a file does.
    """

    xgettext_options = [  # noqa: RUF012 - as Django has it
        *makemessages.Command.xgettext_options,
        *(f"--keyword={kind.__name__}:1" for kind in _kinds(RisError)),
        "--keyword=Label:1",
        "--keyword=Entry:2",
        "--keyword=MeasureInfo:1",
        "--keyword=noop:1",
        "--no-location",
    ]
    msgmerge_options = [  # noqa: RUF012 - as Django has it
        *makemessages.Command.msgmerge_options,
        "--no-location",
    ]
