"""``ris user add``: how the first administrator comes to be."""

from __future__ import annotations

import argparse
import getpass
import sys

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError

from ris.domain.accounts import CreateUser
from ris.domain.actors import LOGINS, OPERATOR, Role
from ris.services import execute
from ris.terminal import complain, say

PEOPLE = [role for role in Role if role in LOGINS]


def add(argv: list[str]) -> int:
    """Make a login; the password is asked for, or read from standard input."""
    parser = argparse.ArgumentParser(
        prog="ris user add",
        description="Make a login. The password is asked for; without a terminal the first line "
        "of standard input is the password.",
    )
    parser.add_argument("username")
    parser.add_argument(
        "--role", action="append", required=True, choices=[role.value for role in PEOPLE]
    )
    parser.add_argument("--first-name", default="")
    parser.add_argument("--last-name", default="")
    arguments = parser.parse_args(argv)
    password = _password()
    try:
        validate_password(password)
    except ValidationError as error:
        complain(f"ris: {' '.join(error.messages)}")
        return 1
    execute(
        CreateUser(
            username=arguments.username,
            password=password,
            roles=frozenset(Role(role) for role in arguments.role),
            first_name=arguments.first_name,
            last_name=arguments.last_name,
        ),
        actor=OPERATOR,
    )
    say(f"{arguments.username} can log in")
    return 0


def _password() -> str:
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\n")
    while True:
        password = getpass.getpass()
        if password == getpass.getpass("Again: "):
            return password
        complain("not the same; once more")
