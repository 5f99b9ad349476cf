"""The pool of the listener: who works, what waits, and how it ends."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from worklist.pool import WorkerPool

_DEADLINE = 10.0


def done(pool: WorkerPool, work: Callable[[], Any]) -> Any:
    """What ``work`` gives in one of the threads, when that thread has finished."""
    found: list[Any] = []
    ended = threading.Event()

    def run() -> None:
        found.append(work())
        ended.set()

    assert pool.submit(run)
    assert ended.wait(_DEADLINE)
    return found[0]


def idle(pool: WorkerPool, threads: int) -> None:
    end = threading.Event()
    for _ in range(1_000):
        if len(pool._idle) == threads:
            return
        end.wait(0.01)
    raise AssertionError("the threads do not come to rest")


def test_the_thread_that_worked_last_works_again() -> None:
    pool = WorkerPool(4, "test")
    names = set()
    for _ in range(10):
        idle(pool, 4)
        names.add(done(pool, lambda: threading.current_thread().name))
    pool.close()

    assert len(names) == 1


def test_work_waits_for_a_thread_and_none_is_lost() -> None:
    pool = WorkerPool(2, "test")
    go, order = threading.Event(), []
    for _ in range(2):
        pool.submit(go.wait, _DEADLINE)
    for number in range(20):
        pool.submit(order.append, number)
    go.set()
    done(pool, lambda: None)
    idle(pool, 2)
    pool.close()

    assert sorted(order) == list(range(20))


def test_a_fault_does_not_cost_a_thread() -> None:
    pool = WorkerPool(1, "test")

    def fail() -> None:
        raise ValueError("a fault of ours")

    pool.submit(fail)

    assert done(pool, lambda: "still here") == "still here"
    pool.close()


def test_the_end_does_what_waits_and_takes_no_more() -> None:
    ended: list[str] = []
    pool = WorkerPool(2, "test", on_end=lambda: ended.append(threading.current_thread().name))
    found: list[int] = []
    for number in range(5):
        pool.submit(found.append, number)
    pool.close(seconds=_DEADLINE)

    assert sorted(found) == [0, 1, 2, 3, 4]
    assert sorted(ended) == ["test-1", "test-2"]
    assert not pool.submit(found.append, 6)
