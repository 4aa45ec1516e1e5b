"""Models of a few nodes, built once per implementation and format, and run on NumPy arrays."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from gradproof.extend import Implementation, ImplementationFault, Unsupported

OPSET = 20
"""The first with Gelu; ONNX Runtime 1.17 and later know it."""
TYPES = {"float64": TensorProto.DOUBLE, "float32": TensorProto.FLOAT, "float16": TensorProto.FLOAT16}


class Graph:
    """A graph under construction, in one format. An implementation adds its nodes to it."""

    def __init__(self, fmt: str) -> None:
        self.format = fmt
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def node(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """Add ``operator`` on named values; the name of its one result comes back."""
        name = f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, list(inputs), [name], **attributes))
        return name

    def constant(self, value: float | Sequence[int], kind: str | None = None) -> str:
        """A constant of the graph's format, or of NumPy's dtype ``kind``."""
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value, kind or self.format), name))
        return name


class Sessions:
    """Sessions of one execution provider."""

    def __init__(self, provider: str) -> None:
        self.provider = provider
        self._made: dict[tuple[Any, ...], tuple[Any, Any]] = {}

    def applied(self, implementation: Implementation, x: Any) -> Any:
        """The implementation's result on x of shape (n,); Unsupported where no kernel takes the format."""

        def build(graph: Graph, name: str) -> str:
            try:
                made: str = implementation.call(graph, name)
            except Exception as error:
                raise ImplementationFault("raised", f"{implementation.name} raised {error!r}") from error
            return made

        session = self._session(("apply", id(implementation), x.dtype.name), implementation, build, [x])
        return session.run(None, {"x0": x})[0]

    def product(self, a: Any, b: Any) -> Any:
        """a * b, element by element."""
        session = self._session(("mul", a.dtype.name), None, lambda g, x, y: g.node("Mul", x, y), [a, b])
        return session.run(None, {"x0": a, "x1": b})[0]

    def dot(self, arrays: Sequence[Any]) -> Any:
        """Sum over the last axis of the product of the first two, plus the third if there is one."""

        def build(graph: Graph, x: str, w: str, *bias: str) -> str:
            axes = graph.constant([1], "int64")
            total = graph.node("ReduceSum", graph.node("Mul", x, w), axes, keepdims=0)
            return graph.node("Add", total, bias[0]) if bias else total

        session = self._session(("dot", len(arrays), arrays[0].dtype.name), None, build, arrays)
        return session.run(None, {f"x{i}": a for i, a in enumerate(arrays)})[0]

    def _session(self, key: tuple[Any, ...], owner: Any, build: Callable[..., str], arrays: Sequence[Any]) -> Any:
        if key not in self._made:
            # The owner is kept beside the session, so that its id stays its own.
            self._made[key] = owner, self._new(build, arrays)
        return self._made[key][1]

    def _new(self, build: Callable[..., str], arrays: Sequence[Any]) -> Any:
        fmt = arrays[0].dtype.name
        graph = Graph(fmt)
        names = [f"x{i}" for i in range(len(arrays))]
        out = build(graph, *names)
        inputs = [
            helper.make_tensor_value_info(name, TYPES[fmt], [None] * a.ndim)
            for name, a in zip(names, arrays, strict=True)
        ]
        output = helper.make_tensor_value_info(out, TYPES[fmt], None)
        model = helper.make_model(
            helper.make_graph(graph.nodes, "gradproof", inputs, [output], graph.constants),
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=9,
        )
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.log_severity_level = 4
        try:
            return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=[self.provider])
        except Exception as error:  # NotImplemented, InvalidGraph: this operator has no kernel for the format
            raise Unsupported(" ".join(str(error).split())[:200]) from error
