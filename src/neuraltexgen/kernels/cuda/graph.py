"""CUDA graphs: a function of tensors is recorded once and replayed, so that launching its kernels costs nothing."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor

Inputs = TypeVar("Inputs")
Outputs = TypeVar("Outputs", bound=tuple[Tensor, ...])

MOST_RECORDED = 64
"""Keys of a Recorder: more would hardly come twice."""

MOST_GRAPHS = 4
"""Each recorded graph keeps its working memory; shapes beyond these are run without one."""


@dataclass(frozen=True, eq=False)
class _Recorded:
    graph: Any
    inputs: Any
    outputs: Any


class Replay:
    """Recorded graphs by key."""

    def __init__(self) -> None:
        self._recorded: dict[Hashable, _Recorded] = {}

    def __call__(self, key: Hashable, function: Callable[[Inputs], Outputs], inputs: Inputs) -> Outputs:
        """function(inputs), for inputs that are a dataclass of tensors and dicts of tensors.

        `key` must tell apart whatever decides the function's course: what it closes over, and the inputs' shapes. The
        outputs are overwritten by the next call with the same key.
        """
        if key not in self._recorded:
            if len(self._recorded) >= MOST_GRAPHS:
                return function(inputs)
            self._recorded[key] = _record(function, inputs)
        recorded = self._recorded[key]
        for ours, given in zip(_tensors(recorded.inputs), _tensors(inputs), strict=True):
            ours.copy_(given)
        recorded.graph.replay()
        return recorded.outputs


class Recorder:
    """Calls of functions without arguments: a key's first call runs its function, the second records it, later replay.

    For functions that change what they work on: recording one runs nothing. What they read and write must lie in the
    same memory at each call with a key. Beyond CUDA every call runs.
    """

    def __init__(self) -> None:
        self._seen: dict[Hashable, Any] = {}
        self._pool: Any = None

    def __call__(self, key: Hashable, function: Callable[[], None], device: torch.device) -> None:
        if device.type != "cuda" or (key not in self._seen and len(self._seen) >= MOST_RECORDED):
            function()
        elif key not in self._seen:
            self._seen[key] = None
            function()  # libraries set themselves up, and Triton compiles, before anything is recorded
        else:
            if self._seen[key] is None:
                self._seen[key] = self._record(function)
            self._seen[key].replay()

    def _record(self, function: Callable[[], None]) -> Any:
        graph, aside = torch.cuda.CUDAGraph(), torch.cuda.Stream()
        self._pool = self._pool or torch.cuda.graph_pool_handle()
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            # Not by torch.cuda.graph, which waits for the device and collects garbage first.
            graph.capture_begin(pool=self._pool, capture_error_mode="thread_local")
            function()
            graph.capture_end()
        torch.cuda.current_stream().wait_stream(aside)
        return graph


def _record(function: Callable[[Inputs], Outputs], inputs: Inputs) -> _Recorded:
    static = _cloned(inputs)
    aside = torch.cuda.Stream()
    aside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(aside):  # libraries set themselves up, and Triton compiles, before anything is recorded
        for _ in range(2):
            function(static)
    torch.cuda.current_stream().wait_stream(aside)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        outputs = function(static)
    return _Recorded(graph, static, outputs)


def _cloned(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.clone()
    if isinstance(value, dict):
        return {key: _cloned(item) for key, item in value.items()}
    if is_dataclass(value) and not isinstance(value, type):
        return type(value)(**{field.name: _cloned(getattr(value, field.name)) for field in fields(value)})
    raise TypeError(f"can't record a {type(value).__name__}")


def _tensors(value: Any) -> list[Tensor]:
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, dict):
        return [tensor for key in sorted(value, key=str) for tensor in _tensors(value[key])]
    return [tensor for field in fields(value) for tensor in _tensors(getattr(value, field.name))]
