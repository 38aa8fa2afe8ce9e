"""Writes the model files of this folder, and expected.json: what Python's onnxruntime answers for given inputs.

    python3 -m venv venv
    venv/bin/pip install onnx==1.23.1 onnxruntime==1.30.0 numpy==2.4.6
    venv/bin/python make_models.py

Python 3.11. The files are committed, so this runs only when a model changes.
"""

import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

HERE = Path(__file__).parent
OPSETS = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]
TYPES = {
    "float32": TensorProto.FLOAT,
    "float64": TensorProto.DOUBLE,
    "int64": TensorProto.INT64,
    "bool": TensorProto.BOOL,
    "string": TensorProto.STRING,
    "float16": TensorProto.FLOAT16,
    "bfloat16": TensorProto.BFLOAT16,
    "int32": TensorProto.INT32,
}
NUMPY = {"float32": np.float32, "float64": np.float64, "int64": np.int64, "bool": np.bool_, "string": object}


def tensor(name, element_type, shape):
    return helper.make_tensor_value_info(name, TYPES[element_type], shape)


def constant(name, array):
    return numpy_helper.from_array(np.asarray(array), name)


def save(name, nodes, inputs, outputs, initializers=(), opsets=OPSETS, check=True):
    graph = helper.make_graph(nodes, name, inputs, outputs, list(initializers))
    model = helper.make_model(graph, opset_imports=list(opsets), ir_version=8)
    if check:
        onnx.checker.check_model(model)
    (HERE / f"{name}.onnx").write_bytes(model.SerializeToString())


def identities():
    """One model per element type that gives back what it gets, two values a row."""
    for element_type in NUMPY:
        node = helper.make_node("Identity", ["x"], ["y"])
        shape = ["batch", 2]
        save(
            f"identity_{element_type}",
            [node],
            [tensor("x", element_type, shape)],
            [tensor("y", element_type, shape)],
        )


def mixed():
    """Five inputs of five types and shapes, five outputs."""
    inputs = [
        tensor("numbers", "float32", ["batch", 3]),
        tensor("id", "int64", ["batch"]),
        tensor("label", "string", ["batch", 1]),
        tensor("flag", "bool", ["batch", 1]),
        tensor("pair", "float64", ["batch", 2]),
    ]
    outputs = [
        tensor("total", "float32", ["batch", 1]),
        tensor("next_id", "int64", ["batch"]),
        tensor("same_label", "string", ["batch", 1]),
        tensor("not_flag", "bool", ["batch", 1]),
        tensor("double_pair", "float64", ["batch", 2]),
    ]
    nodes = [
        helper.make_node("ReduceSum", ["numbers", "axis"], ["total"], keepdims=1),
        helper.make_node("Add", ["id", "one"], ["next_id"]),
        helper.make_node("Identity", ["label"], ["same_label"]),
        helper.make_node("Not", ["flag"], ["not_flag"]),
        helper.make_node("Mul", ["pair", "two"], ["double_pair"]),
    ]
    save(
        "mixed", nodes, inputs, outputs, [constant("axis", [1]), constant("one", [1]), constant("two", [2.0])]
    )


def mlp():
    """Fully connected layers 32-64-32-1 with a sigmoid."""
    rng = np.random.default_rng(7)
    nodes, initializers, previous = [], [], "x"
    sizes = [32, 64, 32, 1]
    for i, (rows, columns) in enumerate(zip(sizes, sizes[1:])):
        weights = rng.normal(0, 1 / np.sqrt(rows), (rows, columns)).astype(np.float32)
        initializers += [
            constant(f"w{i}", weights),
            constant(f"b{i}", rng.normal(0, 0.1, columns).astype(np.float32)),
        ]
        nodes.append(helper.make_node("Gemm", [previous, f"w{i}", f"b{i}"], [f"h{i}"]))
        last = i == len(sizes) - 2
        nodes.append(
            helper.make_node("Sigmoid" if last else "Relu", [f"h{i}"], ["score" if last else f"a{i}"])
        )
        previous = f"a{i}"
    save(
        "mlp",
        nodes,
        [tensor("x", "float32", ["batch", 32])],
        [tensor("score", "float32", ["batch", 1])],
        initializers,
    )


def shapes():
    for batch in (1, 4):
        node = helper.make_node("Identity", ["x"], ["y"])
        save(
            f"fixed_batch_{batch}",
            [node],
            [tensor("x", "float32", [batch, 2])],
            [tensor("y", "float32", [batch, 2])],
        )
    save(
        "rank3",
        [helper.make_node("ReduceSum", ["x", "axis"], ["y"], keepdims=0)],
        [tensor("x", "float32", ["batch", 2, 3])],
        [tensor("y", "float32", ["batch", 2])],
        [constant("axis", [2])],
    )
    save(
        "symbolic_width",
        [
            helper.make_node("ReduceSum", ["x", "axis"], ["total"], keepdims=1),
            helper.make_node("Add", ["x", "x"], ["double"]),
        ],
        [tensor("x", "float32", ["batch", "n"])],
        [tensor("total", "float32", ["batch", 1]), tensor("double", "float32", ["batch", "n"])],
        [constant("axis", [1])],
    )
    save(
        "two_symbolic_widths",
        [helper.make_node("Identity", ["x"], ["y"])],
        [tensor("x", "float32", ["batch", "n", "m"])],
        [tensor("y", "float32", ["batch", "n", "m"])],
    )
    save(
        "scalar_input",
        [helper.make_node("Add", ["x", "scale"], ["y"])],
        [tensor("x", "float32", ["batch", 2]), tensor("scale", "float32", [])],
        [tensor("y", "float32", ["batch", 2])],
    )
    save(
        "unknown_shapes",
        [helper.make_node("Identity", ["x"], ["y"])],
        [tensor("x", "float32", ["batch", 2])],
        [tensor("y", "float32", None)],
        check=False,
    )
    # The sum of every row of the batch: one row whatever the batch, though the declared shape says otherwise.
    save(
        "ignores_batch",
        [helper.make_node("ReduceSum", ["x", "axis"], ["y"], keepdims=1)],
        [tensor("x", "float32", ["batch", 2])],
        [tensor("y", "float32", ["rows", 2])],
        [constant("axis", [0])],
    )


def rows_of_its_own():
    """The positions of the values that are not 0: as many rows as there are such values, known only at a run."""
    save(
        "rows_of_its_own",
        [
            helper.make_node("NonZero", ["x"], ["found"]),
            helper.make_node("Transpose", ["found"], ["positions"]),
            helper.make_node("Identity", ["x"], ["y"]),
        ],
        [tensor("x", "float32", ["batch", 2])],
        [tensor("positions", "int64", ["found", 2]), tensor("y", "float32", ["batch", 2])],
    )


def zipmap():
    """A classifier as scikit-learn converters write it: ZipMap turns the probabilities into a sequence of maps."""
    nodes = [
        helper.make_node(
            "LinearClassifier",
            ["x"],
            ["label", "probabilities"],
            domain="ai.onnx.ml",
            classlabels_ints=[0, 1],
            coefficients=[-1.0, -2.0, 1.0, 2.0],
            intercepts=[-0.5, 0.5],
            post_transform="SOFTMAX",
        ),
        helper.make_node(
            "ZipMap", ["probabilities"], ["zipped"], domain="ai.onnx.ml", classlabels_int64s=[0, 1]
        ),
    ]
    mapped = helper.make_map_type_proto(
        TensorProto.INT64, helper.make_tensor_type_proto(TensorProto.FLOAT, [])
    )
    zipped = helper.make_value_info("zipped", helper.make_sequence_type_proto(mapped))
    outputs = [tensor("label", "int64", ["batch"]), zipped, tensor("probabilities", "float32", ["batch", 2])]
    save("zipmap", nodes, [tensor("x", "float32", ["batch", 2])], outputs)


def unsupported():
    for element_type in ("float16", "int32"):
        shape = ["batch", 2]
        node = helper.make_node("Identity", ["x"], ["y"])
        save(
            f"input_{element_type}",
            [node],
            [tensor("x", element_type, shape)],
            [tensor("y", element_type, shape)],
        )
    save(
        "output_bfloat16",
        [
            helper.make_node("Cast", ["x"], ["y"], to=TensorProto.BFLOAT16),
            helper.make_node("Identity", ["x"], ["z"]),
        ],
        [tensor("x", "float32", ["batch", 2])],
        [tensor("y", "bfloat16", ["batch", 2]), tensor("z", "float32", ["batch", 2])],
    )
    x, y = [tensor("x", "float32", ["batch", 2])], [tensor("y", "float32", ["batch", 2])]
    save(
        "future_opset",
        [helper.make_node("Identity", ["x"], ["y"])],
        x,
        y,
        opsets=[helper.make_opsetid("", 99)],
        check=False,
    )
    custom = [helper.make_opsetid("", 17), helper.make_opsetid("acme", 1)]
    save(
        "unknown_operator",
        [helper.make_node("Secret", ["x"], ["y"], domain="acme")],
        x,
        y,
        opsets=custom,
        check=False,
    )
    weights = constant("w", np.zeros((2, 2), np.float32))
    weights.ClearField("raw_data")
    weights.data_location = TensorProto.EXTERNAL
    weights.external_data.add(key="location", value="missing_weights.data")
    save("external_weights", [helper.make_node("MatMul", ["x", "w"], ["y"])], x, y, [weights], check=False)
    (HERE / "empty.onnx").write_bytes(b"")
    (HERE / "corrupt.onnx").write_bytes((HERE / "mlp.onnx").read_bytes()[:5000])


def gathers():
    """Look values up in a table; an index outside it makes the run fail. `tag` comes back, to tell the rows apart."""
    table = constant("table", np.arange(10, dtype=np.float32) * 10)
    index, value = tensor("index", "int64", ["batch"]), tensor("value", "float32", ["batch"])
    save(
        "gather",
        [
            helper.make_node("Gather", ["table", "index"], ["value"]),
            helper.make_node("Identity", ["tag"], ["same_tag"]),
        ],
        [index, tensor("tag", "float64", ["batch", 2])],
        [value, tensor("same_tag", "float64", ["batch", 2])],
        [table],
    )
    # The table starts at 100, so that a row of zeros is not valid.
    save(
        "rejects_zeros",
        [
            helper.make_node("Sub", ["index", "first"], ["position"]),
            helper.make_node("Gather", ["table", "position"], ["value"]),
        ],
        [index],
        [value],
        [table, constant("first", [100])],
    )


def loops():
    """Give back their input after a loop of so many steps: some milliseconds a run, about 25 ms, and years."""
    for name, steps in (("slow", 5000), ("heavy", 17_000), ("endless", 2**62)):
        loop(name, steps)


def loop(name, steps):
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go"], ["go_on"]),
            helper.make_node("Abs", ["before"], ["positive"]),
            helper.make_node("Min", ["positive", "before"], ["smaller"]),
            helper.make_node("Max", ["smaller", "before"], ["after"]),
        ],
        "step",
        [tensor("step", "int64", []), tensor("go", "bool", []), tensor("before", "float32", ["batch", 1])],
        [tensor("go_on", "bool", []), tensor("after", "float32", ["batch", 1])],
    )
    node = helper.make_node("Loop", ["steps", "go_first", "x"], ["y"], body=body)
    shape = ["batch", 1]
    constants = [constant("steps", np.int64(steps)), constant("go_first", np.bool_(True))]
    save(name, [node], [tensor("x", "float32", shape)], [tensor("y", "float32", shape)], constants)


def as_json(array):
    """int64 as strings of digits, so that none is rounded; NaN and infinities as strings for JavaScript's Number."""
    if array.dtype == np.int64:
        return [str(value) for value in array.ravel()]
    if array.dtype in (np.float32, np.float64):
        values = array.ravel().astype(np.float64)
        return [float(v) if np.isfinite(v) else str(v).replace("inf", "Infinity") for v in values]
    return array.ravel().tolist()


def expected():
    rng = np.random.default_rng(11)
    special = {
        "float32": [[1.5, -0.0], [np.nan, np.inf], [3.4028234663852886e38, 1e-45]],
        "float64": [[0.1, -0.0], [np.nan, -np.inf], [1.7976931348623157e308, 5e-324]],
        "int64": [[0, -1], [2**53 + 1, -(2**53) - 1], [2**63 - 1, -(2**63)]],
        "bool": [[True, False], [False, False], [True, True]],
        "string": [["", "a"], ["日本語", "🎉"], ["line\nbreak", "tab\t\x01"]],
    }
    feeds = {f"identity_{name}": {"x": np.array(rows, NUMPY[name])} for name, rows in special.items()}
    feeds["mixed"] = {
        "numbers": rng.normal(size=(4, 3)).astype(np.float32),
        "id": np.array([1, -5, 2**60, 0], np.int64),
        "label": np.array([["a"], [""], ["é"], ["long " * 20]], object),
        "flag": np.array([[True], [False], [False], [True]]),
        "pair": rng.normal(size=(4, 2)),
    }
    feeds["mlp"] = {"x": rng.normal(size=(5, 32)).astype(np.float32)}
    feeds["fixed_batch_1"] = {"x": np.array([[1, 2]], np.float32)}
    feeds["rank3"] = {"x": rng.normal(size=(3, 2, 3)).astype(np.float32)}
    feeds["symbolic_width"] = {"x": rng.normal(size=(3, 7)).astype(np.float32)}
    feeds["gather"] = {"index": np.array([3, 0, 9], np.int64), "tag": rng.normal(size=(3, 2))}
    feeds["slow"] = {"x": np.array([[1.5], [-2.0]], np.float32)}
    cases = []
    for name, inputs in feeds.items():
        session = onnxruntime.InferenceSession(str(HERE / f"{name}.onnx"), providers=["CPUExecutionProvider"])
        outputs = dict(zip([output.name for output in session.get_outputs()], session.run(None, inputs)))
        case = {"model": f"{name}.onnx"}
        for side, tensors in (("inputs", inputs), ("outputs", outputs)):
            case[side] = {key: {"dims": list(t.shape), "values": as_json(t)} for key, t in tensors.items()}
        cases.append(case)
    (HERE / "expected.json").write_text(json.dumps(cases, ensure_ascii=False, indent=1) + "\n")


for write in (identities, mixed, mlp, shapes, rows_of_its_own, zipmap, unsupported, gathers, loops, expected):
    write()
