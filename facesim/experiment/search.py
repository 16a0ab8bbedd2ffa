"""The section `search:` of an experiment file, for `facesim optimize`."""

from typing import Annotated, Any, Literal

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from facesim import interfaces
from facesim.experiment.sections import Section

Real = float  # the fields below are called `float` and `int`
Whole = int

Choosable = str | dict[str, Any]
"""The name of a class of Optuna's, or a mapping of `name:` and its arguments."""


class Distribution(Section):
    """The values of one parameter: a range or a choice."""

    float: tuple[Real, Real] | None = Field(
        default=None, description="the bounds of a range of real numbers"
    )
    int: tuple[Whole, Whole] | None = Field(
        default=None, description="the bounds of a range of whole numbers"
    )
    choice: Annotated[tuple[Any, ...], Field(min_length=1)] | None = Field(
        default=None,
        description="values to choose from; a plugin's mapping may hold ranges of its own",
    )
    log: bool = Field(default=False, description="search the logarithm of a range")
    step: Real | None = Field(
        default=None, gt=0, description="distance between neighbouring values, from the lowest on"
    )
    at_most: str | None = Field(
        default=None, description="another parameter whose value this one may not exceed"
    )
    at_least: str | None = Field(
        default=None, description="another parameter whose value this one may not fall below"
    )

    @property
    def kind(self) -> Literal["float", "int", "choice"]:
        """Which of the three is given."""
        if self.float is not None:
            return "float"
        return "int" if self.int is not None else "choice"

    @property
    def bounds(self) -> tuple[Real, Real]:
        """The lower and the upper end of a range."""
        low, high = self.float or self.int or (0, 0)
        return low, high

    @model_validator(mode="after")
    def _is_one_of_the_three(self) -> "Distribution":
        given = [name for name in ("float", "int", "choice") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(
                "write one of {float: [low, high]}, {int: [low, high]} and {choice: [a, b]}"
            )
        if self.choice is None:
            self._require_range()
        elif self.log or self.step or self.at_most or self.at_least:
            raise ValueError("log, step, at_most and at_least belong to a range, not to a choice")
        return self

    def _require_range(self) -> None:
        low, high = self.bounds
        if low > high:
            raise ValueError(f"the range [{low:g}, {high:g}] is empty; write the lower end first")
        if self.log and low <= 0:
            raise ValueError(f"a range with `log: true` must begin above 0, not at {low:g}")
        if self.log and self.step is not None:
            raise ValueError("`log` and `step` exclude each other")
        if self.int is not None and self.step is not None and self.step != round(self.step):
            raise ValueError(
                f"the step of a range of whole numbers must be whole, not {self.step:g}"
            )

    @model_serializer(mode="wrap")
    def _as_written(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        given: dict[str, Any] = handler(self)
        return {key: value for key, value in given.items() if value is not None}


class Search(Section):
    """The search space of a study, its objective and how trials are chosen."""

    trials: Annotated[Whole, Field(gt=0, le=10**6)] = Field(
        default=100, description="total number of trials, over all workers and machines"
    )
    metric: str | Annotated[tuple[str, ...], Field(min_length=1)] = Field(
        default_factory=lambda: f"val.{interfaces.metrics.default}",
        description="val.NAME of a metric, cost.milliseconds_per_image or cost.parameters; with "
        "several, the study searches for the Pareto front",
    )
    sampler: Choosable = Field(
        default="tpe", description="how the next trial is chosen: tpe, random, qmc, gp, nsgaii, ..."
    )
    pruner: Choosable = Field(
        default="median",
        description="when a trial is stopped early: median, hyperband, none, ...",
    )
    winner_seeds: Annotated[Whole, Field(ge=3, le=1000)] = Field(
        default=3,
        description="new seeds with which the winner and this experiment are trained again and "
        "evaluated on test",
    )
    threads: Annotated[Whole, Field(gt=0)] | None = Field(
        default=None,
        description="threads of the CPU per trial, whatever the number of workers: they decide the "
        "last bits of the results; by default as many as `facesim run` uses where the study begins",
    )
    space: dict[str, Distribution] = Field(
        min_length=1, description="dotted path, as for --set -> the values to try"
    )

    @property
    def metrics(self) -> tuple[str, ...]:
        """The names of the objectives, one or several."""
        return (self.metric,) if isinstance(self.metric, str) else self.metric
