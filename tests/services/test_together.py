"""Threads that wait at the same time are served together, one of them leading."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import pytest

from ris.services._together import Together
from tests.running import wait_until


class Counter:
    """Keeps the groups it carried out; the first one is held until it is let go."""

    def __init__(self) -> None:
        self.groups: list[list[int]] = []
        self.go_on = threading.Event()
        self.together: Together[int] = Together(self.carry_out, at_most=4)
        self.threads: list[threading.Thread] = []
        self.errors: list[BaseException] = []
        self.fail_on: int | None = None

    def carry_out(self, group: Sequence[int]) -> None:
        if not self.groups:
            assert self.go_on.wait(20)
        self.groups.append([*group])
        if self.fail_on in group:
            raise ValueError("the group failed")

    def submit(self, number: int) -> None:
        def run() -> None:
            try:
                self.together.submit(number)
            except ValueError as error:
                self.errors.append(error)

        thread = threading.Thread(target=run, daemon=True)
        self.threads.append(thread)
        thread.start()

    def submit_in_turn(self, *numbers: int) -> None:
        for number in numbers:
            before = self.waiting
            self.submit(number)
            wait_until(lambda before=before: self.waiting > before, "one more waits")  # type: ignore[misc]

    @property
    def waiting(self) -> int:
        return len(self.together._waiting)

    def lead_with(self, number: int) -> None:
        self.submit(number)
        wait_until(lambda: self.together._led and self.waiting == 0, "one leads")

    def finish(self) -> None:
        self.go_on.set()
        for thread in self.threads:
            thread.join(20)
            assert not thread.is_alive()


@pytest.fixture
def counter() -> Counter:
    return Counter()


def test_one_alone_does_not_wait_for_company(counter: Counter) -> None:
    counter.go_on.set()

    counter.together.submit(1)
    counter.together.submit(2)

    assert counter.groups == [[1], [2]]


def test_what_came_meanwhile_is_taken_at_once_and_in_order(counter: Counter) -> None:
    counter.lead_with(1)
    counter.submit_in_turn(2, 3, 4)

    counter.finish()

    assert counter.groups == [[1], [2, 3, 4]]


def test_a_group_has_a_limit_and_the_rest_follows(counter: Counter) -> None:
    counter.lead_with(1)
    counter.submit_in_turn(2, 3, 4, 5, 6, 7)

    counter.finish()

    assert counter.groups == [[1], [2, 3, 4, 5], [6, 7]]


def test_the_failure_of_a_group_is_told_to_each_of_it_and_to_nobody_else(
    counter: Counter,
) -> None:
    counter.lead_with(1)
    counter.submit_in_turn(2, 3)
    counter.fail_on = 3

    counter.finish()
    counter.together.submit(4)

    assert [str(error) for error in counter.errors] == ["the group failed"] * 2
    assert counter.groups == [[1], [2, 3], [4]]
