"""What people see of long work."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from weft.cli.progress import PlainReporter, QuietReporter, RichReporter, make_reporter, show_rate


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_plain_lines_come_every_ten_seconds_and_at_the_end(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    with PlainReporter(clock).task("training", 100, "step") as task:
        for _ in range(100):
            clock.now += 0.25
            task.advance(1, loss=2.5)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines() == [
        "training: 40/100 steps, 4 steps/s, 15.0 s left, loss 2.5",
        "training: 80/100 steps, 4 steps/s, 5.0 s left, loss 2.5",
        "training: 100 steps, in 25.0 s, 4 steps/s, loss 2.5",
    ]
    assert "\r" not in captured.err


def test_a_failed_task_claims_no_end(capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        with PlainReporter().task("training", 5, "step"):
            raise ValueError("stopped")

    with pytest.raises(ValueError, match="stopped"):
        fail()
    assert capsys.readouterr().err == ""


def test_work_of_unknown_length(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    with PlainReporter(clock).task("reading", None, "item") as task:
        clock.now = 20
        task.advance(10)
    assert capsys.readouterr().err.splitlines()[0] == "reading: 10 items, 2 s/item"


def test_work_that_goes_on_is_not_credited_with_what_was_done_before(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    with PlainReporter(clock).task("training", 1000, "step", done=900) as task:
        for _ in range(10):
            clock.now += 2
            task.advance(1, loss=2.5, speed="81.4k tokens/s, 43 % of peak")
    first, last = capsys.readouterr().err.splitlines()[0], "training: 905/1,000 steps, 2 s/step, 3 min 10 s left, "
    assert first == f"{last}loss 2.5, 81.4k tokens/s, 43 % of peak"


@pytest.mark.parametrize("width", [60, 80, 130])
def test_a_line_keeps_its_counts_and_fits_the_terminal(width: int) -> None:
    screen = io.StringIO()
    reporter = RichReporter(Console(file=screen, force_terminal=True, width=width))
    with reporter.task("training", 123456, "step", done=100000) as task:
        task.advance(1, loss=2.3141, speed="81.4k tokens/s, 43 % of peak")
        task.advance(1)
    lines = [line for line in screen.getvalue().splitlines() if "loss" in line]
    assert lines
    assert "100,002/123,456" in lines[-1]
    assert "loss 2.314" in lines[-1]
    assert ("43 % of peak" in lines[-1]) == (width >= 80)
    assert "\x1b[1A" not in screen.getvalue(), "what takes two lines is redrawn from the line above"


def test_quiet_shows_warnings_alone(capsys: pytest.CaptureFixture[str]) -> None:
    reporter = make_reporter(quiet=True)
    assert isinstance(reporter, QuietReporter)
    with reporter.task("training", 3, "step") as task:
        task.advance()
    reporter.note("a remark")
    reporter.warn("look here")
    assert capsys.readouterr().err == "warning: look here\n"


def test_a_pipe_gets_plain_lines() -> None:
    assert isinstance(make_reporter(), PlainReporter)


def test_the_live_display_shows_nested_tasks_and_text_as_it_is() -> None:
    screen = io.StringIO()
    reporter = RichReporter(Console(file=screen, force_terminal=True, width=140))
    with reporter.task("preparing [photos]", 2, "stage") as outer:
        with reporter.task("codec", 5, "step") as inner:
            for _ in range(5):
                inner.advance(1, loss=0.125)
        outer.advance()
        reporter.note("image.size = 32 [from the data]")
        reporter.warn("[one] file")
    text = screen.getvalue()
    for expected in ("preparing [photos]", "codec", "5/5", "loss 0.125", "[from the data]", "warning: [one] file"):
        assert expected in text


def test_numbers_for_people() -> None:
    assert show_rate(12.34, "step") == "12.3 steps/s"
    assert show_rate(81_400.0, "token") == "81,400 tokens/s"
    assert show_rate(0.5, "step") == "2 s/step"
