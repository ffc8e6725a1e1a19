import json

import networkx as nx
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from realsr_mod.methods.drtl.graph import relation_graph, ring, save_graph
from realsr_mod.methods.drtl.network import RelationNetwork
from realsr_mod.methods.drtl.relation import app
from realsr_mod.methods.drtl.target import camera_weights
from realsr_mod.weights.release import save_model

NAMES = ["blur_weak", "blur_strong", "noise"]
VECTORS = torch.tensor([[1.0, 0, 0], [0.8, 0.6, 0], [0, 0, 2.0]])
TARGET = torch.tensor([0.6, 0.8, 0.0])


@pytest.fixture
def graph():
    return relation_graph(NAMES, VECTORS, [0.3, 0.6, 0.1], "phone", TARGET)


def test_edges_hold_cosines_and_nodes_weights(graph):
    assert graph.number_of_edges() == 6
    assert graph["blur_weak"]["blur_strong"]["cosine"] == pytest.approx(0.8)
    assert graph["phone"]["blur_strong"]["cosine"] == pytest.approx(0.96)
    assert graph["phone"]["noise"]["cosine"] == pytest.approx(0.0)
    assert graph.nodes["blur_strong"] == {"kind": "task", "weight": 0.6}


def test_the_nearest_task_comes_first_then_what_is_like_it(graph):
    assert ring(graph, "phone") == ["blur_strong", "blur_weak", "noise"]


def test_all_three_files_hold_the_graph(graph, tmp_path):
    json_path, graphml, png = save_graph(graph, tmp_path / "out")
    read = nx.node_link_graph(json.loads(json_path.read_text()), edges="edges")
    assert nx.utils.graphs_equal(read, graph)
    assert nx.read_graphml(graphml)["phone"]["blur_weak"]["cosine"] == pytest.approx(0.6)
    assert Image.open(png).size == (1100, 935)


def make_model(folder, scale=2):
    torch.manual_seed(0)
    size = {"scale": scale, "tasks": NAMES, "channels": 4, "embedding_dim": 8}
    target = "realsr_mod.methods.drtl.network.RelationNetwork"
    save_model(RelationNetwork(**size), folder, {"_target_": target, **size}, {})
    return folder


def test_the_command_prints_the_weights_that_training_takes(tmp_path):
    model = make_model(tmp_path / "model")
    for name in ("HR", "LR"):
        (tmp_path / "pairs" / name).mkdir(parents=True)
    Image.effect_noise((64, 48), 50).convert("RGB").save(tmp_path / "pairs" / "LR" / "a.png")
    done = CliRunner().invoke(app, [str(model), str(tmp_path / "pairs"), "-o", str(tmp_path / "out")])
    assert done.exit_code == 0, done.output
    weights = camera_weights(model, tmp_path / "pairs", 2, 0.2)
    assert sum(weights.values()) == pytest.approx(1)
    assert all(name in done.output and f"{weight:.3f}" in done.output for name, weight in weights.items())
    assert (tmp_path / "out" / "relation.graphml").is_file()


def test_another_kind_of_model_or_scale_is_refused(tmp_path):
    done = CliRunner().invoke(app, [str(tmp_path), str(tmp_path), "-o", str(tmp_path / "out")])
    assert done.exit_code == 1
    assert "no model here" in done.output
    with pytest.raises(ValueError, match=r"at scale 4, the network to train has scale 2"):
        camera_weights(make_model(tmp_path / "x4", 4), tmp_path, 2, 0.2)
