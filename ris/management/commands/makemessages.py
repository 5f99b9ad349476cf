"""Collect the words of the pages, also those that stand in our tables (`Label("Booked", …)`)."""

from __future__ import annotations

from django.core.management.commands import makemessages


class Command(makemessages.Command):
    """What Django's own does, for our keywords too, and without line numbers.

    A catalog changes when words change, not whenever a file does.
    """

    xgettext_options = [
        *makemessages.Command.xgettext_options,
        "--keyword=Label:1",
        "--keyword=Entry:2",
        "--no-location",
    ]
    msgmerge_options = [*makemessages.Command.msgmerge_options, "--no-location"]
