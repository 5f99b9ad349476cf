"""What is written for people: links lead somewhere, commands exist, licences are known."""

from __future__ import annotations

import re
from importlib import metadata
from pathlib import Path

import pytest

from docs import third_party
from ris import cli
from tests.programs import ROOT

PAGES = sorted(
    path
    for path in (
        *ROOT.glob("*.md"),
        *ROOT.glob("docs/**/*.md"),
        *ROOT.glob("fixtures/*.md"),
        *ROOT.glob("benchmarks/*.md"),
        *ROOT.glob("deploy/*.md"),
    )
)
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")
COMMAND = re.compile(r"(?:^|[`\s/])ris ((?:[a-z0-9-]+)(?: [a-z]+)?)")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    targets = LINK.findall(page.read_text(encoding="utf-8"))

    missing = [
        target
        for target in targets
        if "://" not in target
        and not target.startswith("mailto:")
        and not (page.parent / target).exists()
    ]

    assert missing == []


@pytest.mark.parametrize(
    "name", ["README.md", *(f"docs/guide/{p.name}" for p in (ROOT / "docs/guide").glob("*.md"))]
)
def test_every_command_that_is_named_exists(name: str) -> None:
    known = {*cli.COMMANDS, *cli.FROM_DJANGO, *cli.GROUPS, "changepassword", "shell", "check"}
    code = re.findall(r"```sh\n(.*?)```|`([^`\n]+)`", (ROOT / name).read_text(), flags=re.DOTALL)

    named = {found for pair in code for text in pair for found in COMMAND.findall(f" {text}")}

    wrong = {words for words in named if words not in known and words.split()[0] not in known}
    assert wrong == set()


def test_decisions_are_numbered_without_a_gap() -> None:
    numbers = sorted(int(path.name[:4]) for path in (ROOT / "docs" / "adr").glob("*.md"))

    assert numbers == list(range(1, len(numbers) + 1))


# --- licences

# Licences under which a library or a font may be used by a product under Apache-2.0.
FITTING = {
    "0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "LGPL-3.0-only", "MIT", "MIT-0",
    "MIT-CMU",
    "MPL-2.0", "PSF-2.0",
    "Bitstream-Vera", "OFL-1.1",
}  # fmt: skip


def test_every_pinned_package_has_a_licence_that_fits() -> None:
    pins = third_party.pins()

    assert set(third_party.LICENCES) == set(pins)
    for name in pins:
        parts = set(re.split(r" (?:AND|OR) ", third_party.LICENCES[name]))
        assert parts <= FITTING, name


def test_licences_are_those_the_packages_state() -> None:
    compared = 0
    for name in third_party.pins():
        try:
            stated = metadata.metadata(name).get("License-Expression")
        except metadata.PackageNotFoundError:
            continue  # for another platform
        if stated:
            compared += 1
            assert third_party.LICENCES[name] == stated, name

    assert compared > 10


def test_vendored_files_state_a_licence_that_is_there() -> None:
    for manifest in third_party.MANIFESTS:
        for row in third_party.vendored(manifest):
            assert row["licence"] in FITTING
            for text in row["licence_files"]:
                assert (ROOT / manifest).with_name(text).is_file()
