"""The registry of one kind of plugin."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from inspect import currentframe
from typing import Any, Generic, TypeVar

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from facesim.errors import PluginError, PluginFailure, did_you_mean
from facesim.registry.node import node_json_schema, validate_node
from facesim.registry.plugin import Plugin, Spec
from facesim.registry.signature import parameters_model

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])


@dataclass(eq=False)
class Registry(Generic[T]):
    """All plugins of one kind: the decorator that registers, and the type of the file's node.

    Example:
        >>> losses = Registry("loss", "losses", ("embedding_dim", "num_identities"))
        >>> @losses("mine")
        ... def mine(embedding_dim, num_identities, *, margin: float = 1.0): ...
        >>> losses.names()
        ['mine']

    Attributes:
        kind: the singular, for messages.
        plural: the registry's own name.
        positional: names of the arguments that the engine passes, in order.
        base: the class of what a factory returns; None accepts anything.
        adapt: makes an object of ``base`` of other things that a factory may return, and leaves
            what it cannot adapt as it is.
    """

    kind: str
    plural: str
    positional: tuple[str, ...] = ()
    base: type[Any] | None = None
    adapt: Callable[[Any], Any] | None = None
    _plugins: dict[str, Plugin[T]] = field(default_factory=dict, repr=False)
    _failures: dict[str, PluginFailure] = field(default_factory=dict, repr=False)
    _built: dict[type[Any], Plugin[T]] = field(default_factory=dict, repr=False)

    def __call__(
        self,
        name: str,
        *,
        aliases: Sequence[str] = (),
        default: bool = False,
        packages: Sequence[str] = (),
        starter: str = "",
        suggest: Callable[[Any], Any] | None = None,
    ) -> Callable[[F], F]:
        """Register a factory under ``name``.

        What a module registered it may register again: a reloaded module does, and a notebook's
        cell that runs twice.

        Args:
            name: what an experiment file calls the plugin.
            aliases: other accepted spellings; a Spec and the resolved experiment have the name.
            default: whether an experiment that leaves the kind's node out gets this plugin.
            packages: distributions that its results depend on, as pip calls them; the run's
                ``environment.json`` has their versions.
            starter: its node in the file of ``facesim new experiment``, as YAML, where a comment
                may follow. Of a dataset it is the lines of all three splits, in which ROOT stands
                for the folder of the faces. Of other kinds the first that is registered is used.
            suggest: called by ``facesim new experiment`` with what it knows of the images; None
                says that the plugin does not fit them. Of a dataset it takes the path that a person
                names and returns a ``facesim.Recognised``; of a backbone it takes the height and
                width of the images, of a protocol the number of people in an undivided source, and
                returns the plugin's node as YAML.

        Raises:
            PluginError: the name or an alias is taken, another plugin is the default already, or
                the factory's signature does not fit the kind.
        """
        module, origin = _caller()
        for parameter, given in (("aliases", aliases), ("packages", packages)):
            if isinstance(given, str):
                raise PluginError(f"{origin}: write {parameter}=({given!r},), a tuple of names")

        def register(factory: F) -> F:
            model = parameters_model(
                factory, self.kind, name, self.positional, origin, tuple(aliases)
            )
            plugin: Plugin[T] = Plugin(
                self,
                name,
                factory,
                model,
                origin,
                module,
                aliases=tuple(aliases),
                default=default,
                packages=tuple(packages),
                starter=starter,
                suggest=suggest,
            )
            for other in self._plugins.values():
                if other.name != name or not _again(other, module, factory):
                    _check_clash(plugin, other)
            self._plugins[name] = plugin
            return factory

        return register

    def __iter__(self) -> Iterator[Plugin[T]]:
        return iter([self._plugins[name] for name in self.names()])

    def names(self) -> list[str]:
        """Every registered name, sorted; without aliases."""
        return sorted(self._plugins)

    @property
    def default(self) -> str | None:
        """The name of the plugin that was registered with ``default=True``."""
        return next((plugin.name for plugin in self if plugin.default), None)

    def starters(self) -> list[Plugin[T]]:
        """The plugins that a new experiment may begin with, in the order of registration."""
        return [plugin for plugin in self._plugins.values() if plugin.starter]

    def get(self, name: str) -> Plugin[T]:
        """Look a plugin up by its name or an alias.

        Raises:
            PluginError: no such name; the message holds the nearest names, or the reason why the
                module that should have registered it failed to import.
        """
        if name in self._plugins:
            return self._plugins[name]
        for plugin in self._plugins.values():
            if name in plugin.aliases:
                return plugin
        raise PluginError(self._why_not(name))

    def spec(self, name: str, **parameters: Any) -> Spec[T]:
        """A Spec from Python instead of YAML; raises pydantic's ValidationError."""
        plugin = self.get(name)
        return Spec(plugin, plugin.parameters.model_validate({"name": plugin.name, **parameters}))

    @property
    def failures(self) -> tuple[PluginFailure, ...]:
        """The modules that could not be imported and may have registered plugins of this kind."""
        return tuple(self._failures.values())

    def note_failure(self, failure: PluginFailure) -> None:
        """Explain by this failure why a plugin of this kind is missing."""
        self._failures[failure.module] = failure

    def forget_failure(self, module: str) -> None:
        """Take back what was noted of a module, if anything was."""
        self._failures.pop(module, None)

    def failed_to_register(self, name: str) -> list[PluginFailure]:
        """The failures of modules whose source registers ``name``."""
        return [failure for failure in self.failures if (self.plural, name) in failure.declared]

    def accepted(self, plugin: Plugin[T], built: Any) -> T:
        """What a factory returned, as an object of the kind's base class.

        Raises:
            PluginError: it is something else.
        """
        if self.adapt is not None:
            built = self.adapt(built)
        if self.base is not None and not isinstance(built, self.base):
            found = "None" if built is None else f"an object of class {type(built).__qualname__}"
            raise PluginError(
                f"{plugin.origin}: the factory of the {self.kind} {plugin.name!r} must return a "
                f"{self.base.__name__}; it returned {found}"
            )
        self._built[type(built)] = plugin
        accepted: T = built
        return accepted

    def which_built(self, built: object) -> Plugin[T] | None:
        """The plugin that last built an object of this one's class."""
        return self._built.get(type(built))

    def _why_not(self, name: str) -> str:
        failed = self.failed_to_register(name)
        if failed:
            reasons = "; ".join(failure.with_traceback() for failure in failed)
            return f"the {self.kind} {name!r} cannot be used: {reasons}"
        spellings = [spelling for plugin in self for spelling in plugin.spellings]
        message = (
            f"there is no {self.kind} {name!r}{did_you_mean(name, spellings)}; "
            f"`facesim plugins {self.plural}` lists all"
        )
        suspects = [failure for failure in self.failures if not failure.declared]
        guesses = [f"{suspect}; it may have defined this plugin" for suspect in suspects]
        return "\n    ".join([message, *guesses])

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Undo, if the block raises, the registrations of the modules that failed with it.

        A module that was imported on the way without an error keeps its plugins, since Python
        would not run it a second time.
        """
        before = dict(self._plugins)
        try:
            yield
        except BaseException:
            survivors = {n: p for n, p in self._plugins.items() if p.module in sys.modules}
            self._plugins = {**survivors, **before}
            raise

    @contextmanager
    def isolated(self) -> Iterator[None]:
        """Undo, on leaving, what was registered or noted inside. For tests and notebooks."""
        before = dict(self._plugins), dict(self._failures)
        try:
            yield
        finally:
            self._plugins, self._failures = before

    # The registry as a pydantic type: Annotated[Spec[Loss], losses]

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.with_info_plain_validator_function(
            partial(validate_node, self),
            serialization=core_schema.plain_serializer_function_ser_schema(Spec.as_node),
        )

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return node_json_schema(self, handler)


def _caller() -> tuple[str, str]:
    """Module and ``file:line`` of whoever called the function that calls this one."""
    here = currentframe()
    frame = here and here.f_back and here.f_back.f_back
    if frame is None:
        return "__main__", "unknown:0"
    origin = f"{frame.f_code.co_filename}:{frame.f_lineno}"
    return frame.f_globals.get("__name__", "__main__"), origin


def _again(taken: Plugin[Any], module: str, factory: Callable[..., Any]) -> bool:
    """Whether a module registers the very function or class that it registered before."""
    before, now = (getattr(it, "__qualname__", None) for it in (taken.factory, factory))
    return taken.module == module and before == now is not None


def _check_clash(new: Plugin[Any], other: Plugin[Any]) -> None:
    """Raise PluginError where two plugins of a kind share a spelling, or are both the default."""
    for taken in new.spellings:
        if taken in other.spellings:
            alias = f" as an alias of {other.name!r}" if taken in other.aliases else ""
            raise PluginError(
                f"{new.origin}: the {new.kind} {taken!r} is registered already{alias}, "
                f"by {other.origin}; give one of the two another name"
            )
    if new.default and other.default:
        raise PluginError(
            f"{new.origin}: the default {new.kind} is {other.name!r} already, by {other.origin}; "
            "leave `default=True` out of one of the two"
        )
