"""The pictures of figures: nothing is cut, nothing lies over something else."""

from __future__ import annotations

from ris.web.analytics import charts
from ris.web.analytics.charts import Line


def test_words_that_have_room_stand_on_the_left() -> None:
    chart = charts.rows([Line(name="Waiting room", value=10, text="10 min")])

    assert (chart.labels[0].text, chart.labels[0].x) == ("Waiting room", 0)
    assert chart.bars[0].x == charts.LABEL


def test_long_words_stand_whole_above_their_bar() -> None:
    long = "Untersuchung bis endgültiger Befund"

    chart = charts.rows([Line(name=long, value=10, text="10 min"),
                         Line(name="Wartezimmer", value=5, text="5 min")])  # fmt: skip

    names = [label for label in chart.labels if label.x == 0]
    assert [label.text for label in names] == [long, "Wartezimmer"]
    for label, bar in zip(names, chart.bars, strict=True):
        assert bar.x == 0
        assert label.y < bar.y
    assert chart.bars[0].y + chart.bars[0].height < names[1].y - 9


def test_a_japanese_letter_takes_the_room_of_two() -> None:
    chart = charts.rows([Line(name="検査から最終報告書まで", value=10, text="10")])

    assert chart.bars[0].x == 0
