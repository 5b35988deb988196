"""Functions that work in a session of their own."""

import functools
import inspect
from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec, TypeVar

from temp_file_manager.registering.session import ManagedSession

P = ParamSpec("P")
T = TypeVar("T")


def in_session(
    session: Callable[[str], ManagedSession], function: Callable[Concatenate[ManagedSession, P], T]
) -> Callable[P, T]:
    """Return a function that is given a session as its first argument, which ends with it.

    Args:
        session: Makes one of a name.
        function: What is to work in it.

    Raises:
        TypeError: it is a generator, which goes on after the call that made it has returned.
    """
    if not callable(function):
        raise TypeError(f"write @manager.temporary above a function, not {type(function).__name__}")
    name = function.__qualname__
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise TypeError(f"{name} is a generator: write with manager.session() in it")
    if inspect.iscoroutinefunction(function):

        async def awaited(*words: P.args, **named: P.kwargs) -> Any:
            async with session(name) as one:
                return await function(one, *words, **named)

        return _like(function, awaited)

    def called(*words: P.args, **named: P.kwargs) -> T:
        with session(name) as one:
            return function(one, *words, **named)

    return _like(function, called)


def _like(function: Callable[..., Any], made: Callable[..., Any]) -> Callable[..., Any]:
    """Give what was made a function's name and words, and its signature without the session."""
    functools.update_wrapper(made, function)
    signature = inspect.signature(function)
    made.__signature__ = signature.replace(parameters=list(signature.parameters.values())[1:])  # type: ignore[attr-defined]
    return made
