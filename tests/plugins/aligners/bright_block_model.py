"""An ONNX model with YuNet's inputs and outputs, for which a white block of 8 x 8 is a face."""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

STRIDES = (8, 16, 32)
OUTPUTS = {"cls": 1, "obj": 1, "bbox": 4, "kps": 10}

# In blocks from the top left corner of a face's block: the person's right eye, which is at the left
# of the image, the left eye, the tip of the nose, the right and the left corner of the mouth.
POINTS = ((-1.0, -1.0), (1.0, -1.0), (0.0, 0.0), (-1.0, 1.0), (1.0, 1.0))


def write_model(path: Path) -> Path:
    """Write the model; a face is centred on its block's corner, 8 pixels wide and high."""
    nodes, constants, outputs = [], [], []
    for stride in STRIDES:
        pool = helper.make_node(
            "AveragePool",
            ["input"],
            [f"pooled_{stride}"],
            kernel_shape=[stride, stride],
            strides=[stride, stride],
        )
        # The mean of the channels; only blocks of 8 x 8 count.
        weight = np.full((1, 3, 1, 1), (1 if stride == 8 else 0) / 765, np.float32)
        mean = helper.make_node("Conv", [f"pooled_{stride}", f"w_{stride}"], [f"mean_{stride}"])
        nodes += [pool, mean]
        constants += [
            numpy_helper.from_array(weight, f"w_{stride}"),
            numpy_helper.from_array(np.array([1, -1, 1], np.int64), f"shape_{stride}"),
        ]
        rows = f"rows_{stride}"
        nodes.append(helper.make_node("Reshape", [f"mean_{stride}", f"shape_{stride}"], [rows]))
        for name, width in OUTPUTS.items():
            values = {"bbox": [0.0] * 4, "kps": np.array(POINTS).ravel()}.get(name, [0.0])
            factor = 1.0 if name in ("cls", "obj") else 0.0
            constants += [
                numpy_helper.from_array(
                    np.full((1, width), factor, np.float32), f"f_{name}{stride}"
                ),
                numpy_helper.from_array(
                    np.array(values, np.float32).reshape(1, 1, width), f"b_{name}{stride}"
                ),
            ]
            nodes += [
                helper.make_node("MatMul", [rows, f"f_{name}{stride}"], [f"m_{name}{stride}"]),
                helper.make_node(
                    "Add", [f"m_{name}{stride}", f"b_{name}{stride}"], [f"{name}_{stride}"]
                ),
            ]
            outputs.append(
                helper.make_tensor_value_info(
                    f"{name}_{stride}", TensorProto.FLOAT, [1, None, width]
                )
            )
    image = helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, 3, None, None])
    graph = helper.make_graph(nodes, "bright_block", [image], outputs, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)], ir_version=7)
    onnx.checker.check_model(model)
    onnx.save(model, path)
    return path
