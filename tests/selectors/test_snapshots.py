"""PostgreSQL's snapshot, asked for on an event loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable

import pytest
from django.db import connection

from ris.models import Counter
from ris.selectors.snapshots import Snapshots
from ris.selectors.worklist_memory import DataVersion

# SQLite has a number instead.
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.only("postgresql")]

_DEADLINE = 10.0


def run(scene: Callable[[Snapshots], Awaitable[None]]) -> None:
    async def play() -> None:
        snapshots = Snapshots()
        try:
            async with asyncio.timeout(_DEADLINE):
                while not snapshots.ask(lambda _: None):
                    await asyncio.sleep(0.005)
                await scene(snapshots)
        finally:
            snapshots.close()

    asyncio.run(play())


async def asked(snapshots: Snapshots) -> str | None:
    told: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
    assert snapshots.ask(told.set_result)
    return await told


def in_a_thread(work: Callable[[], object]) -> None:
    def run_it() -> None:
        try:
            work()
        finally:
            connection.close()

    thread = threading.Thread(target=run_it)
    thread.start()
    thread.join()


def test_it_is_the_same_until_somebody_writes_and_the_same_for_all() -> None:
    async def scene(snapshots: Snapshots) -> None:
        first, second = await asked(snapshots), await asked(snapshots)
        elsewhere: list[object] = []
        in_a_thread(lambda: elsewhere.append(DataVersion().read()))
        in_a_thread(lambda: Counter.objects.create(name="somebody"))
        third = await asked(snapshots)

        assert first is not None
        assert second == first
        assert elsewhere == [first]
        assert third != first

    run(scene)


def test_many_questions_share_an_answer() -> None:
    async def scene(snapshots: Snapshots) -> None:
        told: list[str | None] = []
        for _ in range(50):
            assert snapshots.ask(told.append)
        while len(told) < 50:
            await asyncio.sleep(0.001)

        assert len(set(told)) == 1

    run(scene)


def test_a_connection_that_breaks_leaves_nobody_waiting() -> None:
    async def scene(snapshots: Snapshots) -> None:
        await asked(snapshots)
        pid = snapshots._connection.info.backend_pid

        def end() -> None:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_terminate_backend(%s)", [pid])

        in_a_thread(end)
        told: list[str | None] = []
        while snapshots.ask(told.append):
            await asyncio.sleep(0.005)

        assert told[-1] is None
        assert snapshots._connection is None

    run(scene)


def test_who_fails_keeps_nobody_from_hearing() -> None:
    async def scene(snapshots: Snapshots) -> None:
        def fail(_: str | None) -> None:
            raise ValueError("a fault of ours")

        assert snapshots.ask(fail)
        assert await asked(snapshots) is not None

    run(scene)
