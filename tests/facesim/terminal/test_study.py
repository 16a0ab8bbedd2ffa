"""A study on the terminal."""

import io
from dataclasses import replace

import pytest

from facesim.console import Console
from facesim.terminal.study import StudyView, print_summary, study_view
from facesim.tuning.summary import Difference, Retrained, Spread, Summary
from facesim.tuning.trial_queue import RunningTrial, StudyProgress

CURSOR_UP_AND_ERASED, CURSOR_IS_SHOWN = "\x1b[1A\x1b[2K", "\x1b[?25h"

PROGRESS = StudyProgress(
    title="searching",
    total=10,
    running=(RunningTrial(number=4, epochs_done=2, where="host 17", seconds=3.2),),
    done=2,
    pruned=1,
    failed=0,
    lost=1,
    best="val.accuracy 0.9 (trial 1)",
    seconds_left=3700.0,
)


def spread(mean: float) -> Spread:
    return Spread(mean=mean, standard_deviation=0.01, values=(mean - 0.01, mean + 0.01))


def summary(winners_scored: int = 1) -> Summary:
    return Summary(
        study="mine",
        metric="accuracy",
        trials={"complete": 3},
        winning_trial=2,
        winning_parameters={},
        winning_value=0.95,
        base_value=0.9,
        seeds=(1, 2),
        winner=Retrained(val={"accuracy": spread(0.94)}, test={"accuracy": spread(0.93)}, runs=()),
        base=Retrained(val={}, test={"accuracy": spread(0.9)}, runs=()),
        difference=Difference(
            metric="accuracy",
            mean=0.03,
            low=0.01,
            high=0.05,
            interval="identities_and_seeds_95",
            better="winner",
            per_seed=(),
        ),
        winners_scored=winners_scored,
    )


def test_a_file_gets_one_line_per_finished_trial() -> None:
    screen = io.StringIO()
    view = StudyView(Console(file=screen, width=200))
    for progress in (PROGRESS, PROGRESS, replace(PROGRESS, done=3)):
        view.show(progress)
    assert screen.getvalue().splitlines() == [
        f"searching: {ended}/10 (1 running, {done} done, 1 pruned, 1 lost and retried); best "
        "val.accuracy 0.9 (trial 1); about 1 h 1 min left"
        for ended, done in ((3, 2), (4, 3))
    ]


def test_a_terminal_gets_a_table_that_vanishes_at_the_end() -> None:
    screen = io.StringIO()
    with study_view(Console(file=screen, width=200, force_terminal=True)) as view:
        view.show(PROGRESS)
        assert not screen.getvalue().endswith(CURSOR_IS_SHOWN)
    shown, lines = screen.getvalue(), screen.getvalue().splitlines()
    assert "searching: 3/10" in lines[0]
    running = next(line for line in lines if "host 17" in line)
    best = next(line for line in lines if "best so far" in line)
    assert [cell.strip() for cell in running.strip("│").split("│")] == ["4", "2", "3", "host 17"]
    assert best.endswith("best so far: val.accuracy 0.9 (trial 1)")
    assert shown.count(CURSOR_UP_AND_ERASED) >= len(lines) - 2
    assert CURSOR_IS_SHOWN in shown


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.4, "0 s"),
        (59.6, "1 min 0 s"),
        (61.0, "1 min 1 s"),
        (3599.0, "59 min 59 s"),
        (3600.0, "1 h 0 min"),
        (90061.0, "25 h 1 min"),
    ],
)
def test_the_time_that_is_left_is_said_in_two_units(seconds: float, said: str) -> None:
    screen = io.StringIO()
    StudyView(Console(file=screen, width=200)).show(replace(PROGRESS, seconds_left=seconds))
    assert screen.getvalue().endswith(f"; about {said} left\n")


def test_a_line_says_no_more_than_is_known() -> None:
    screen = io.StringIO()
    begun = StudyProgress("searching", 4, (), 0, 0, 0, 0, "", None)
    StudyView(Console(file=screen, width=200)).show(begun)
    assert screen.getvalue() == "searching: 0/4 (starting)\n"


def test_a_line_is_printed_as_it_is_and_not_broken() -> None:
    screen = io.StringIO()
    console = Console(file=screen, width=20, force_terminal=True, color_system="standard")
    line = "trial 3 [bold]failed[/bold]: 12 of 34 epochs"
    StudyView(console).say(line)
    assert screen.getvalue() == f"{line}\n"


def printed(found: Summary) -> str:
    screen = io.StringIO()
    print_summary(Console(file=screen, width=200), found)
    return screen.getvalue()


def test_the_winner_stands_beside_the_base_experiment() -> None:
    text = printed(summary())
    winner, base = (line for line in text.splitlines() if line.startswith("│"))
    assert [part.strip() for part in winner.strip("│").split("│")] == [
        "winner (trial 2)",
        "0.9500",
        "0.9400 ± 0.0100",
        "0.9300 ± 0.0100",
    ]
    assert [part.strip() for part in base.strip("│").split("│")] == [
        "base experiment",
        "0.9000",
        "",
        "0.9000 ± 0.0100",
    ]
    head = next(line for line in text.splitlines() if line.startswith("┃"))
    assert [part.strip() for part in head.strip("┃").split("┃")] == [
        "",
        "val, in the search",
        "val, retrained",
        "test",
    ]
    assert "mine: accuracy, 2 fresh seeds" in text
    assert "the winner is better" in text
    assert "winners of this study" not in text


def test_a_second_look_at_test_is_a_warning() -> None:
    assert "2 winners of this study have been scored on test" in printed(summary(2))
