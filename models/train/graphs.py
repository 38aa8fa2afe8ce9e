"""The trained models as ONNX graphs: float32 `features` [batch, width] -> `probabilities` [batch, 2]."""

import lightgbm
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from sklearn.linear_model import LogisticRegression

INPUT, OUTPUT = "features", "probabilities"
# Old enough for every ONNX Runtime of the last years.
OPSETS = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]
IR_VERSION = 8


def logistic_graph(model: LogisticRegression) -> onnx.ModelProto:
    weights = numpy_helper.from_array(model.coef_.T.astype(np.float32), "weights")
    bias = numpy_helper.from_array(model.intercept_.astype(np.float32), "bias")
    return as_model(
        "logistic",
        model.coef_.shape[1],
        [helper.make_node("Gemm", [INPUT, "weights", "bias"], ["margin"])],
        [weights, bias],
    )


def trees_graph(model: lightgbm.Booster) -> onnx.ModelProto:
    trees = model.dump_model()["tree_info"]
    attributes = Ensemble()
    for tree_id, tree in enumerate(trees):
        attributes.add(tree["tree_structure"], tree_id)
    ensemble = helper.make_node(
        "TreeEnsembleRegressor",
        [INPUT],
        ["margin"],
        domain="ai.onnx.ml",
        n_targets=1,
        aggregate_function="SUM",
        post_transform="NONE",
        **attributes.columns,
    )
    return as_model("gradient-boosted-trees", model.num_feature(), [ensemble], [])


class Ensemble:
    """The trees as the parallel lists that the operator wants, one element a node. The root has id 0."""

    def __init__(self) -> None:
        names = "treeids nodeids featureids modes values truenodeids falsenodeids missing_value_tracks_true"
        self.columns: dict[str, list] = {f"nodes_{name}": [] for name in names.split()}
        self.columns |= {f"target_{name}": [] for name in "treeids nodeids ids weights".split()}

    def add(self, node: dict, tree_id: int) -> int:
        node_id = self.columns["nodes_treeids"].count(tree_id)
        leaf = "leaf_value" in node
        self.append(
            "nodes",
            treeids=tree_id,
            nodeids=node_id,
            featureids=0 if leaf else node["split_feature"],
            modes="LEAF" if leaf else "BRANCH_LEQ",
            values=0.0 if leaf else float32_below(node["threshold"]),
            truenodeids=0,
            falsenodeids=0,
            missing_value_tracks_true=0 if leaf else int(nan_goes_left(node)),
        )
        if leaf:
            self.append("target", treeids=tree_id, nodeids=node_id, ids=0, weights=node["leaf_value"])
            return node_id
        row = len(self.columns["nodes_treeids"]) - 1
        self.columns["nodes_truenodeids"][row] = self.add(node["left_child"], tree_id)
        self.columns["nodes_falsenodeids"][row] = self.add(node["right_child"], tree_id)
        return node_id

    def append(self, prefix: str, **values: object) -> None:
        for name, value in values.items():
            self.columns[f"{prefix}_{name}"].append(value)


def float32_below(threshold: float) -> float:
    """The largest float32 that is not above the threshold.

    A float32 input is <= a float64 threshold exactly when it is <= this one. The nearest float32 may lie above
    the threshold, and an input equal to it would take the wrong branch.
    """
    nearest = np.float32(threshold)
    return float(nearest if float(nearest) <= threshold else np.nextafter(nearest, np.float32(-np.inf)))


def nan_goes_left(node: dict) -> bool:
    """Where LightGBM sends NaN: the learned way, or as 0 where the training rows had no NaN."""
    assert node["decision_type"] == "<=" and node["missing_type"] in ("None", "NaN")
    return node["default_left"] if node["missing_type"] == "NaN" else node["threshold"] >= 0


def as_model(name: str, width: int, nodes: list, initializers: list) -> onnx.ModelProto:
    """Turns the graph's `margin` [batch, 1] into the probabilities of both outcomes."""
    one = numpy_helper.from_array(np.array([1], dtype=np.float32), "one")
    graph = helper.make_graph(
        [
            *nodes,
            helper.make_node("Sigmoid", ["margin"], ["late"]),
            helper.make_node("Sub", ["one", "late"], ["on_time"]),
            helper.make_node("Concat", ["on_time", "late"], [OUTPUT], axis=1),
        ],
        name,
        [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, ["batch", width])],
        [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, ["batch", 2])],
        [*initializers, one],
    )
    model = helper.make_model(
        graph, opset_imports=OPSETS, ir_version=IR_VERSION, producer_name="millrace-demo"
    )
    onnx.checker.check_model(model)
    return model
