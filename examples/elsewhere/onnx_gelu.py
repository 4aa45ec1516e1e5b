"""ONNX Runtime's Gelu at the inputs of one file, its results in another: any execution provider, no plugin.

    gradproof vectors gelu --format float32 -o in.npy
    python onnx_gelu.py in.npy out.npy [--provider CUDAExecutionProvider]
    gradproof judge gelu in.npy out.npy --format float32

Takes onnx and onnxruntime. The backend in ../backend_onnxruntime judges many operators at inputs of gradproof's own
choice; this is what is left where only files travel.
"""

from __future__ import annotations

import argparse

import numpy as np
import onnxruntime
from onnx import TensorProto, helper

OPSET = 20
"""The first with Gelu."""


def model() -> bytes:
    """One Gelu in float32."""
    value = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None]) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Gelu", ["x"], ["y"])], "gelu", value[:1], value[1:])
    opset = [helper.make_opsetid("", OPSET)]
    made: bytes = helper.make_model(graph, opset_imports=opset, ir_version=9).SerializeToString()
    return made


def main() -> None:
    """Compute a file of results for a file of inputs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("inputs")
    parser.add_argument("results")
    parser.add_argument("--provider", default="CPUExecutionProvider")
    options = parser.parse_args()
    session = onnxruntime.InferenceSession(model(), providers=[options.provider])
    np.save(options.results, session.run(None, {"x": np.load(options.inputs)})[0])


if __name__ == "__main__":
    main()
