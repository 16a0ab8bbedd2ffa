"""Registries of pytorch-metric-learning's losses, miners, distances, reducers and regularizers.

Each is empty until it is asked for a name; only then is the library imported.
"""

import inspect
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Annotated, Any, Optional

from pydantic import Field, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from facesim import PluginError, Registry, did_you_mean
from facesim_plugins._foreign_parameters import yaml_type

UNFIT = {
    "CrossBatchMemory": "a checkpoint would lack the fill level of its memory",
    "GenericPairLoss": "it is a base class",
    "DynamicSoftMarginLoss": "its running histogram keeps the graph of earlier steps",
    "InstanceLoss": "it ignores identities",
    "ManifoldLoss": "it ignores identities",
    "MultipleLosses": "it combines other losses",
    "SelfSupervisedLoss": "it ignores identities",
    "SmoothAPLoss": "it needs batches with the same number of images of every identity",
    "VICRegLoss": "it ignores identities",
    "EmbeddingsAlreadyPackagedAsTriplets": "batches of facesim do not consist of triplets",
    "BatchedDistance": "it wraps another distance",
    "ClassWeightedReducer": "its weights are a tensor",
    "DoNothingReducer": "it does not return a number",
    "MultipleReducers": "it combines other reducers",
}
"""Classes that cannot be used here, and why."""

FROM_THE_ENGINE = {
    "num_classes": "num_identities",
    "embedding_size": "embedding_dim",
    "descriptors_dim": "embedding_dim",
}
"""Required parameters of the library's classes, and which of the engine's arguments they are."""

_NOT_FOR_A_FILE = (
    *FROM_THE_ENGINE,
    "distance",
    "reducer",
    "embedding_regularizer",
    "weight_regularizer",
    "collect_stats",
    "weight_init_func",
    "mat_based_loss",
)
_EXAMPLE = 2  # a value that every constructor accepts for a required parameter
_Number = int | float  # the library annotates nothing and may ask for either
_Unknown = bool | _Number | str | tuple[_Number, ...] | None


class PmlParts(Registry[type[Any]]):
    """The classes of one of the library's modules; a Spec of it builds the class's arguments.

    Args:
        kind: in the singular, as messages call it.
        module: of the library.
    """

    def __init__(self, kind: str, module: str) -> None:
        super().__init__(f"{kind} of pytorch-metric-learning", "losses pml")
        self._module = module

    def names(self) -> list[str]:
        """The classes that an experiment file may name; none if the library is not installed."""
        try:
            self._fill()
        except PluginError:
            return []
        return super().names()

    def _why_not(self, name: str) -> str:
        self._fill()
        if name in UNFIT:
            return f"{name} cannot be used: {UNFIT[name]}"
        known = super().names()
        guess = did_you_mean(name, known) or f" (known: {', '.join(known)})"
        return f"there is no {self.kind} {name!r}{guess}"

    def get(self, name: str) -> Any:
        """Look a class up; raises PluginError as :meth:`Registry.get` does."""
        self._fill()
        return super().get(name)

    def _fill(self) -> None:
        if self._plugins:
            return
        for name, cls in sorted(vars(_imported(self._module)).items()):
            usable = isinstance(cls, type) and not name.startswith("Base")
            if usable and not name.endswith("Mixin") and name not in UNFIT:
                self(name)(_with_arguments(cls))

    def __get_pydantic_json_schema__(
        self,
        schema: CoreSchema,
        handler: GetJsonSchemaHandler,
    ) -> JsonSchemaValue:
        """A name, or a mapping with one: with every class's parameters it would double in size."""
        name: JsonSchemaValue = {"type": "string"}
        mapping = {"type": "object", "properties": {"name": name}, "required": ["name"]}
        return {"anyOf": [mapping, name]}


def constructor_parameters(cls: type[Any]) -> dict[str, inspect.Parameter]:
    """The parameters, by name, of a class and of the bases that it passes ``**kwargs`` on to."""
    found: dict[str, inspect.Parameter] = {}
    for base in cls.__mro__:
        constructor = vars(base).get("__init__")
        if constructor is None:
            continue
        _, *own = inspect.signature(constructor).parameters.values()  # without self
        named = [it for it in own if it.kind in (it.POSITIONAL_OR_KEYWORD, it.KEYWORD_ONLY)]
        found = {**{it.name: it for it in named}, **found}
        if not any(it.kind is it.VAR_KEYWORD for it in own):
            break
    return found


def _with_arguments(cls: type[Any]) -> Callable[..., Any]:
    """A factory with those parameters of a class's constructor that a file may give."""

    def build(**engine_and_file: Any) -> Any:
        return cls(**engine_and_file)

    parameters = list(_file_parameters(cls))
    vars(build)["__signature__"] = inspect.Signature(parameters)
    vars(build)["__wrapped__"] = cls
    build.__qualname__ = cls.__name__
    build.__doc__ = f"``{cls.__name__}`` of pytorch-metric-learning."
    return build


def _file_parameters(cls: type[Any]) -> Iterator[inspect.Parameter]:
    found = constructor_parameters(cls)
    needed = [it.name for it in found.values() if it.default is it.empty]
    given = {name: _EXAMPLE for name in needed if name != "mat_based_loss"}
    for name, parameter in found.items():
        code = callable(parameter.default) and parameter.default is not parameter.empty
        if name in _NOT_FOR_A_FILE or code or _is_fixed(cls, parameter, given):
            continue
        described = Field(description=f"see the documentation of {cls.__name__}")
        typed: Any = Annotated[_type(parameter), described]
        yield parameter.replace(kind=parameter.KEYWORD_ONLY, annotation=typed)


def _is_fixed(cls: type[Any], parameter: inspect.Parameter, given: dict[str, Any]) -> bool:
    """Whether a class passes this parameter to its base class itself, so that a file must not."""
    if parameter.default is parameter.empty:
        return False
    try:
        cls(**given, **{parameter.name: parameter.default})
    except (AssertionError, LookupError, NotImplementedError, TypeError, ValueError) as error:
        return "multiple values" in str(error)
    return False


def _type(parameter: inspect.Parameter) -> Any:
    """From the annotation or, since there is hardly any, from the default."""
    default = parameter.default
    if parameter.annotation is not parameter.empty:
        annotated = yaml_type(parameter.annotation)
        if annotated is not None:
            return Optional[annotated] if default is None else annotated  # noqa: UP045  a value
    if isinstance(default, bool):
        return bool
    if isinstance(default, int | float) or default is parameter.empty:
        return _Number
    return str | _Number if isinstance(default, str) else _Unknown


def _imported(module: str) -> Any:
    try:
        return import_module(f"pytorch_metric_learning.{module}")
    except ImportError:
        raise PluginError(
            "it needs the package pytorch-metric-learning; "
            'pip install "facesim[pytorch-metric-learning]"'
        ) from None
