"""What happens once before the parts start: checks, migrations, and the data of the demo."""

from __future__ import annotations

import argparse

from django.conf import settings
from django.core import checks
from django.core.management import call_command

from ris.cli import run
from ris.terminal import complain


def main(argv: list[str]) -> int:
    """Leave a database that the parts can work with, or say why not."""
    parser = argparse.ArgumentParser(
        prog="ris prepare",
        description="Check the settings, bring the database to this release, load the demo site "
        "if this is a demo. `ris up` does this by itself.",
    )
    parser.parse_args(argv)
    call_command("migrate", verbosity=0, interactive=False)
    problems = [
        message
        for message in checks.run_checks(include_deployment_checks=False, databases=["default"])
        if message.is_serious()
    ]
    for message in problems:
        complain(f"ris: {message.msg}{f' ({message.hint})' if message.hint else ''}")
    if problems:
        return 1
    if settings.CONFIG.demo:
        return run("demo load", ["--if-empty"])
    return 0
