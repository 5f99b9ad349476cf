"""Every command of the domain has a handler and a permission; every role can be tested for it."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
from typing import Any

import pytest

from ris import services
from ris.domain.actors import Role
from ris.domain.commands import Command, Event

AREAS = (
    "patients",
    "orders",
    "scheduling",
    "performing",
    "reporting",
    "catalog",
    "facility",
    "accounts",
    "exchange",
)


def classes(base: type) -> list[type[Any]]:
    found = []
    for area in AREAS:
        module = importlib.import_module(f"ris.domain.{area}")
        found += [
            value
            for value in vars(module).values()
            if inspect.isclass(value)
            and issubclass(value, base)
            and value is not base
            and value.__module__ == module.__name__
        ]
    return found


def test_every_command_has_a_handler() -> None:
    missing = set(classes(Command)) - set(services.commands())

    assert missing == set()


def test_every_handler_is_named_after_its_command() -> None:
    from ris.services._execute import _HANDLERS

    for command, handler in _HANDLERS.items():
        words = "".join(f"_{c.lower()}" if c.isupper() else c for c in command.__name__)
        assert handler.__name__ == words.lstrip("_")


def test_every_command_can_be_given_by_somebody_and_by_few() -> None:
    for command in services.commands():
        roles = services.permitted_roles(command)
        assert roles, command.__name__
        assert roles < set(Role), command.__name__


@pytest.mark.parametrize("kind", classes(Command) + classes(Event), ids=lambda kind: kind.__name__)
def test_commands_and_events_are_frozen(kind: type[Any]) -> None:
    assert dataclasses.is_dataclass(kind)
    assert kind.__dataclass_params__.frozen is True  # type: ignore[attr-defined]


def test_events_are_in_the_past_tense() -> None:
    endings = ("ed", "Held", "Set", "Resent", "Chosen")

    assert [kind.__name__ for kind in classes(Event) if not kind.__name__.endswith(endings)] == []
