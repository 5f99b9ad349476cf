"""Sorted lists of ranges that are apart: what is left of one, what two share, where many hold."""

from __future__ import annotations

from collections.abc import Sequence

Range = tuple[int, int]  # both ends included


def without(ranges: Sequence[Range], forbidden: list[Range]) -> list[Range]:
    """What is left of the ranges; the forbidden ones are sorted here. One sweep over both."""
    forbidden.sort()
    found: list[Range] = []
    index, count = 0, len(forbidden)
    reach = -1  # the furthest that any forbidden range so far goes
    for low, high in ranges:
        at = low
        while index < count and forbidden[index][0] <= high:
            start, end = forbidden[index]
            index += 1
            if reach >= at:
                at = reach + 1
            if start > at:
                found.append((at, min(start - 1, high)))
                at = start
            if end > reach:
                reach = end
        if reach >= at:
            at = reach + 1
        if at <= high:
            found.append((at, high))
    return found


def meet(one: Sequence[Range], other: Sequence[Range]) -> list[Range]:
    """What two sorted lists of ranges have in common."""
    found: list[Range] = []
    i = j = 0
    while i < len(one) and j < len(other):
        low, high = max(one[i][0], other[j][0]), min(one[i][1], other[j][1])
        if low <= high:
            found.append((low, high))
        if one[i][1] < other[j][1]:
            i += 1
        else:
            j += 1
    return found


def at_least(count: int, presences: Sequence[Sequence[Range]]) -> list[Range]:
    """Where at least so many of the lists of ranges hold at once."""
    marks = sorted(
        mark for ranges in presences for low, high in ranges for mark in ((low, 1), (high + 1, -1))
    )
    found: list[Range] = []
    here, since = 0, 0
    index = 0
    while index < len(marks):
        at = marks[index][0]
        before = here
        while index < len(marks) and marks[index][0] == at:
            here += marks[index][1]
            index += 1
        if before < count <= here:
            since = at
        elif here < count <= before:
            found.append((since, at - 1))
    return found
