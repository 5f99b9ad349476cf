"""What somebody wrote runs in the direction of its own letters (UAX 9, HTML 3.2.6.4)."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django import forms
from django.conf import settings
from django.template import Context, Template

from ris.web.telling_events import event_detail
from ris.web.templatetags.ris_web import field

TEMPLATES = Path(settings.TEMPLATES[0]["DIRS"][0])
# A tag with template tags in it, which may hold ">" and quotes of their own.
CONTROL = re.compile(r"<(?:textarea|input) (?:{[%{].*?[%}]}|[^>{]|{(?![%{]))*>")
# What is no text, or text of machines: it runs from left to right by its type.
NO_TEXT = re.compile(r'type="(?!search|text)|inputmode=')


def test_what_is_typed_has_a_direction() -> None:
    lacking = [
        f"{path.relative_to(TEMPLATES)}: {control}"
        for path in sorted(TEMPLATES.rglob("*.html"))
        for control in CONTROL.findall(path.read_text(encoding="utf-8"))
        if not NO_TEXT.search(control) and not re.search(r'\bdir="(auto|ltr)"', control)
    ]

    assert lacking == []


class Typed(forms.Form):
    note = forms.CharField(widget=forms.Textarea)
    name = forms.CharField()
    rules = forms.CharField(widget=forms.Textarea(attrs={"dir": "ltr"}))
    many = forms.IntegerField()


@pytest.mark.parametrize(
    ("name", "direction"), [("note", "auto"), ("name", "auto"), ("rules", "ltr"), ("many", None)]
)
def test_a_field_of_a_form_has_a_direction(name: str, direction: str | None) -> None:
    control = str(field(Typed()[name])["control"])

    found = re.search(r'dir="(\w+)"', control)
    assert (found and found[1]) == direction


def test_a_name_from_right_to_left_is_kept_apart_from_what_follows() -> None:
    said = Template(
        "{% load i18n ris_web %}"
        "{% blocktranslate with who=who|isolated %}{{ who }}, 14:30{% endblocktranslate %}"
    )

    assert said.render(Context({"who": "ليلى"})) == "\u2068ليلى\u2069, 14:30"
    assert said.render(Context({"who": "Dr <Roe>"})) == "Dr &lt;Roe&gt;, 14:30"


def test_a_reason_of_the_timeline_is_kept_apart_from_what_is_told_with_it() -> None:
    told = event_detail("OrderCanceled", {"reason": "عقيدة 8 mm", "by_placer": True})

    assert told == "reason: \u2068عقيدة 8 mm\u2069 by the ordering side"
