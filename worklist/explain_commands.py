"""``ris mwl explain`` and ``ris mwl queries``: why a worklist is as it is, without a browser."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from datetime import UTC, datetime, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from ris.domain.actors import OPERATOR
from ris.selectors.device_activity import last_queries
from ris.selectors.explain import candidates, queries
from ris.selectors.explain.candidates import Candidate
from ris.selectors.explain.condition import Condition, when
from ris.selectors.explain.queries import Explanation, LeftOut, StoredQuery
from ris.selectors.explain.sight import Sight, sight
from ris.selectors.facility import site
from ris.services.audit import record_access
from ris.terminal import complain, say, table


def explain(argv: list[str]) -> int:
    """Why a stored query gave what it gave, or why a device does not see a step."""
    parser = argparse.ArgumentParser(
        prog="ris mwl explain",
        description="For a query: what was given, what was left out and by which key, and what it"
        " would give now. For a step and a device: whether the device sees it, and why not.",
    )
    parser.add_argument("--query", type=int, metavar="ID", help="a number of `ris mwl queries`")
    parser.add_argument(
        "--step",
        metavar="ID",
        help="scheduled procedure step ID, or the accession number of an order with one step",
    )
    parser.add_argument("--device", metavar="AE", help="the device's AE title")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args(argv)
    if (arguments.query is None) == (arguments.step is None):
        parser.error("name a --query, or a --step with a --device")
    if arguments.step is not None and not arguments.device:
        parser.error("--step needs a --device")
    now = datetime.now(UTC)
    if arguments.query is not None:
        explanation = queries.explain(arguments.query, now)
        record_access(
            OPERATOR,
            action="ExplainWorklistQuery",
            patients=sorted(explanation.patients),
            subject=f"WorklistQuery {arguments.query}",
        )
        if arguments.json:
            say(json.dumps(explanation_json(explanation), ensure_ascii=False))
        else:
            _say_explanation(explanation, _zone())
        return 0
    steps = candidates.by_number(arguments.step)
    if len(steps) > 1:
        complain("ris: several steps have this number; name one of them by its step ID")
        table([_step_row(step, _zone()) for step in steps])
        return 1
    seen = sight(steps[0].public_id if steps else arguments.step, arguments.device, now)
    record_access(
        OPERATOR,
        action="ExplainStep",
        patients=[seen.step.patient_public_id],
        order=seen.step.order_public_id,
        subject=f"{seen.step.step_id} at {seen.ae_title}",
    )
    if arguments.json:
        say(json.dumps(sight_json(seen), ensure_ascii=False))
    else:
        _say_sight(seen, _zone())
    return 0


def list_queries(argv: list[str]) -> int:
    """The last worklist queries, newest first."""
    parser = argparse.ArgumentParser(
        prog="ris mwl queries", description="The last worklist queries, newest first."
    )
    parser.add_argument("--device", default="", metavar="AE", help="only of this AE title")
    parser.add_argument("--limit", type=int, default=20, metavar="N", help="default: 20")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args(argv)
    found = last_queries(arguments.device, max(1, min(arguments.limit, 1000)))
    if arguments.json:
        say(json.dumps([query_json(one) for one in found], ensure_ascii=False))
    else:
        zone = _zone()
        table([_query_row(one, zone) for one in found])
    return 0


def _zone() -> tzinfo:
    return ZoneInfo(site().time_zone)


# --- as text


def _query_row(query: StoredQuery, zone: tzinfo) -> tuple[str, ...]:
    keys = ", ".join(f"{name}={value}" for name, value in query.keys.items())
    return (
        str(query.number),
        f"{query.at.astimezone(zone):%Y-%m-%d %H:%M:%S}",
        query.ae_title,
        f"{query.status_hex} {query.status_words}",
        f"{query.matches} steps",
        f"{query.duration_ms:.1f} ms",
        query.remark or keys,
    )


def _step_row(step: Candidate, zone: tzinfo) -> tuple[str, ...]:
    return (
        when(step.start_at, zone),
        step.station_ae_title or "-",
        step.modality or "-",
        step.step_id,
        step.accession_number,
        step.patient_id,
        f"{step.patient_name}  {step.title}".strip(),
    )


def _say_steps(steps: Iterable[Candidate], zone: tzinfo) -> None:
    table([("  ", *_step_row(step, zone)) for step in steps])


def _say_left_out(left_out: Iterable[LeftOut], zone: tzinfo) -> None:
    for one in left_out:
        say("  ".join(["  ", *_step_row(one.step, zone)]))
        for reason in one.reasons:
            say(f"       {reason}")


def _say_explanation(explanation: Explanation, zone: tzinfo) -> None:
    query, reading, replay = explanation.query, explanation.reading, explanation.replay
    say("  ".join(_query_row(query, zone)))
    for name, value in query.keys.items():
        say(f"  {name}: {value}")
    if reading is None:
        say("Nothing but its keys was kept of this query.")
    else:
        for note in reading.notes:
            say(f"  note: {note}")
        if reading.refused:
            say(f"  refused: {reading.refused}")
        elif reading.offered is None:
            say("  its keys contradict each other: nothing can match")
    say(f"given: {query.matches}")
    _say_steps(explanation.given, zone)
    if explanation.left_out:
        say("left out, closest first:")
        _say_left_out(explanation.left_out, zone)
    if replay is None:
        return
    say(f"now it would give: {replay.count}{' and more' if replay.truncated else ''}")
    if replay.more:
        say("not given then:")
        _say_steps(replay.more, zone)
    if replay.fewer:
        say("not given any more:")
        _say_left_out(replay.fewer, zone)
    for entry in replay.unservable:
        say(f"not served: {entry.step_id} lacks {', '.join(entry.lacking)}")


def _say_sight(seen: Sight, zone: tzinfo) -> None:
    say(seen.verdict)
    say("  ".join(["  ", *_step_row(seen.step, zone)]))
    for finding in seen.findings:
        say(f"  {finding.weight}: {finding.words}")
    say(f"What it asks: {seen.usual.words}")
    table(
        [
            ("  ", "yes" if one.meets else "NO", one.name, f"{one.asked}: this step has {one.has}")
            for one in seen.conditions
        ]
    )
    if seen.shown is not None:
        last = when(seen.shown.last_at, zone)
        say(f"It was given the step {seen.shown.count} times, last at {last}.")


# --- as JSON


def query_json(query: StoredQuery) -> dict[str, Any]:
    return {
        "query": query.number,
        "at": query.at.isoformat(),
        "device": query.ae_title,
        "called": query.called_ae_title,
        "address": query.address,
        "keys": dict(query.keys),
        "steps": query.matches,
        "status": query.status_hex,
        "comment": query.comment,
        "elements": query.elements,
        "truncated": query.truncated,
        "duration_ms": query.duration_ms,
        "transfer_syntax": query.transfer_syntax,
        "identifier": query.identifier.hex(),
    }


def _step_json(step: Candidate) -> dict[str, Any]:
    return {
        "step": step.step_id,
        "status": step.status.value,
        "start": step.start_at.isoformat() if step.start_at else None,
        "station": step.station_ae_title,
        "modality": step.modality,
        "accession": step.accession_number,
        "patient_id": step.patient_id,
        "patient_name": step.patient_name,
        "description": step.title,
    }


def _condition_json(condition: Condition) -> dict[str, Any]:
    return {
        "key": condition.field,
        "name": condition.name,
        "asked": condition.asked,
        "has": condition.has,
        "meets": condition.meets,
        "source": condition.source.value,
    }


def _left_out_json(one: LeftOut) -> dict[str, Any]:
    return {**_step_json(one.step), "failed": [_condition_json(each) for each in one.failed]}


def explanation_json(explanation: Explanation) -> dict[str, Any]:
    reading, replay = explanation.reading, explanation.replay
    found = {
        **query_json(explanation.query),
        "given": [_step_json(step) for step in explanation.given],
        "left_out": [_left_out_json(one) for one in explanation.left_out],
    }
    if reading is not None:
        found["notes"] = list(reading.notes)
        found["unsupported"] = list(reading.unsupported)
        found["refused"] = reading.refused
    if replay is not None:
        found["now"] = {
            "steps": replay.count,
            "truncated": replay.truncated,
            "more": [_step_json(step) for step in replay.more],
            "fewer": [_left_out_json(one) for one in replay.fewer],
            "not_served": [
                {"step": one.step_id, "lacks": list(one.lacking)} for one in replay.unservable
            ],
        }
    return found


def sight_json(seen: Sight) -> dict[str, Any]:
    return {
        **_step_json(seen.step),
        "device": seen.ae_title,
        "sees": seen.sees,
        "verdict": seen.verdict,
        "asks": seen.usual.words,
        "conditions": [_condition_json(one) for one in seen.conditions],
        "findings": [{"weight": one.weight.value, "words": one.words} for one in seen.findings],
        "shown": None
        if seen.shown is None
        else {"count": seen.shown.count, "last": seen.shown.last_at.isoformat()},
    }
