"""A study on the terminal."""

import io
from dataclasses import replace

from facesim.console import Console
from facesim.terminal.study import StudyView, print_summary
from facesim.tuning.summary import Difference, Retrained, Spread, Summary
from facesim.tuning.trial_queue import RunningTrial, StudyProgress

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
    view = StudyView(Console(file=screen, width=200, force_terminal=True))
    view.show(PROGRESS)
    view.close()
    assert "host 17" in screen.getvalue()


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
    assert "0.9000 ± 0.0100" in base
    assert "the winner is better" in text
    assert "winners of this study" not in text


def test_a_second_look_at_test_is_a_warning() -> None:
    assert "2 winners of this study have been scored on test" in printed(summary(2))
