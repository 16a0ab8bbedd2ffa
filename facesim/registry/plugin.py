"""Plugin: a registered factory. Spec: a plugin with validated parameters."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict
from pydantic_core import to_jsonable_python

from facesim.errors import PluginError
from facesim.registry.signature import summary

if TYPE_CHECKING:
    from facesim.registry.registry import Registry

T = TypeVar("T")


class _AnyParameters(BaseModel):
    """Parameters of a plugin that was not imported, as they were written."""

    model_config = ConfigDict(extra="allow")


@dataclass(frozen=True)
class Plugin(Generic[T]):
    """One registered factory.

    Attributes:
        registry: of the plugin's kind.
        name: what an experiment file calls it.
        factory: takes the engine's positional arguments and the YAML parameters as keywords.
        parameters: pydantic model of the YAML parameters; the field ``name`` holds the name.
        origin: ``file:line`` of the registration.
        module: the import name of the module that registered it.
        aliases: other spellings of the name that an experiment file may use.
        default: whether a node that the file leaves out is this plugin.
        packages: the distributions, besides facesim's own requirements, that its results depend on.
        starter: how an experiment that is newly written begins with it; empty if none does.
        suggest: says what a newly written experiment makes of it in view of the images; or None.
        is_stand_in: whether it stands for a plugin that was not imported.
    """

    registry: "Registry[T]" = field(repr=False)
    name: str
    factory: Callable[..., T]
    parameters: type[BaseModel]
    origin: str
    module: str
    aliases: tuple[str, ...] = ()
    default: bool = False
    packages: tuple[str, ...] = ()
    starter: str = ""
    suggest: Callable[[Any], Any] | None = None
    is_stand_in: bool = False

    @property
    def kind(self) -> str:
        """The registry's kind, in the singular ("loss")."""
        return self.registry.kind

    @property
    def spellings(self) -> tuple[str, ...]:
        """The name, then its aliases."""
        return (self.name, *self.aliases)

    @property
    def summary(self) -> str:
        """First paragraph of the factory's docstring, on one line."""
        return summary(self.factory)

    @property
    def required(self) -> list[str]:
        """The YAML parameters that have no default."""
        fields = self.parameters.model_fields
        return [name for name, info in fields.items() if info.is_required() and name != "name"]


@dataclass(frozen=True)
class Spec(Generic[T]):
    """A plugin with validated parameters: what a node of an experiment file becomes."""

    plugin: Plugin[T]
    parameters: BaseModel

    @property
    def name(self) -> str:
        """The plugin's name."""
        return self.plugin.name

    @property
    def arguments(self) -> dict[str, Any]:
        """The YAML parameters as keyword arguments, defaults filled in."""
        names = type(self.parameters).model_fields
        return {name: getattr(self.parameters, name) for name in names if name != "name"}

    @classmethod
    def stand_in(cls, registry: "Registry[T]", node: dict[str, Any]) -> "Spec[T]":
        """A node whose plugin was not imported: it can be shown and compared, but not built."""
        name = str(node["name"])

        def refuse(*_: Any, **__: Any) -> T:
            raise PluginError(
                f"the {registry.kind} {name!r} comes from a plugin file, which is not imported here"
            )

        plugin = Plugin(registry, name, refuse, _AnyParameters, "", "", is_stand_in=True)
        return cls(plugin, _AnyParameters.model_validate(node))

    def build(self, *engine_arguments: Any) -> T:
        """Call the factory with what the engine passes and the file's parameters.

        Raises:
            PluginError: it returns something else than its kind promises.
        """
        built = self.plugin.factory(*engine_arguments, **self.arguments)
        return self.plugin.registry.accepted(self.plugin, built)

    def as_node(self) -> dict[str, Any]:
        """The node as plain JSON data: every default written out, every path absolute."""
        node: dict[str, Any] = to_jsonable_python(_absolute(self.parameters.model_dump()))
        return node


def _absolute(value: Any) -> Any:
    """The same data with every path in it absolute."""
    if isinstance(value, Path):
        return str(value.absolute())
    if isinstance(value, dict):
        return {key: _absolute(below) for key, below in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_absolute(below) for below in value]
    return value
