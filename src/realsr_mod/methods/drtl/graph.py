"""The distortion relation graph: auxiliary tasks and a camera, with cosines on the edges; drawn and saved.

Legend: K auxiliary tasks, D embedding length.
"""

from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

import networkx as nx
import torch.nn.functional as F
from torch import Tensor

from realsr_mod.runtime.files import write_json

SHOWN_COSINE = 0.15  # thinner edges between tasks are not drawn; the files hold all


def relation_graph(
    names: Sequence[str], tasks_KD: Tensor, weights_K: Sequence[float], target: str, target_D: Tensor
) -> nx.Graph:
    """A complete graph. Edges have `cosine`; nodes have `kind` (task or target), tasks their `weight` too."""
    graph = nx.Graph()
    for name, weight in zip(names, weights_K, strict=True):
        graph.add_node(name, kind="task", weight=float(weight))
    graph.add_node(target, kind="target")
    vectors = {name: F.normalize(vector, dim=0) for name, vector in zip(names, tasks_KD, strict=True)}
    vectors[target] = F.normalize(target_D, dim=0)
    for a, b in combinations(vectors, 2):
        graph.add_edge(a, b, cosine=float(vectors[a] @ vectors[b]))
    return graph


def save_graph(graph: nx.Graph, folder: Path) -> list[Path]:
    """Write relation.json (networkx's node-link form), relation.graphml and relation.png; returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"relation.{suffix}" for suffix in ("json", "graphml", "png")]
    write_json(paths[0], nx.node_link_data(graph, edges="edges"))
    nx.write_graphml(graph, paths[1])
    draw_graph(graph, paths[2])
    return paths


def draw_graph(graph: nx.Graph, path: Path) -> None:
    """Draw the tasks in a circle around the camera, the nearest first; the line's width is the cosine.

    Lines to the camera say how much the task counts; among tasks only those of similar ones are drawn.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # no window, and no global state of pyplot's
    from matplotlib.figure import Figure

    (target,) = (node for node, kind in graph.nodes(data="kind") if kind == "target")
    tasks = ring(graph, target)
    places = nx.circular_layout(tasks) | {target: (0.0, 0.0)}
    weights = [graph.nodes[task]["weight"] for task in tasks]
    figure = Figure(figsize=(10, 8.5), dpi=110)
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    similar = [(a, b) for a, b in combinations(tasks, 2) if graph[a][b]["cosine"] > SHOWN_COSINE]
    widths = [8 * graph[a][b]["cosine"] for a, b in similar]
    nx.draw_networkx_edges(graph, places, edgelist=similar, width=widths, edge_color="#c4c9d2", ax=axes)
    spokes = [(target, task) for task in tasks]
    widths = [max(0.5, 8 * graph[a][b]["cosine"]) for a, b in spokes]
    colors = ["#d1495b" if graph.nodes[b]["weight"] > 1 / len(tasks) else "#e9c3c9" for _, b in spokes]
    nx.draw_networkx_edges(graph, places, edgelist=spokes, width=widths, edge_color=colors, ax=axes)
    sizes = [150 + 4000 * weight for weight in weights]
    nx.draw_networkx_nodes(graph, places, tasks, sizes, weights, cmap="viridis_r", vmin=0, edgecolors="white", ax=axes)
    nx.draw_networkx_nodes(graph, places, [target], 1600, "#d1495b", ax=axes)
    for task, weight in zip(tasks, weights, strict=True):
        x, y = places[task]
        side = "left" if x > 0.2 else "right" if x < -0.2 else "center"  # labels grow away from the ring
        reach = 1.06 + 0.12 * weight**0.5
        label = f"{task.replace('_', ' ')}\n{weight:.2f}"
        axes.text(reach * x, (reach + 0.04) * y, label, ha=side, va="center", fontsize=9)
    axes.text(0, 0, target, ha="center", va="center", fontsize=9, color="white", fontweight="bold")
    axes.set_title(
        f"The distortions that {target} resembles\n"
        "numbers and dots: weight; line width: cosine (between tasks from "
        f"{SHOWN_COSINE:g} up); red: more than an equal share",
        fontsize=10,
    )
    axes.set_xlim(-1.6, 1.6)
    axes.set_ylim(-1.22, 1.22)
    axes.axis("off")
    figure.tight_layout()
    figure.savefig(path)


def ring(graph: nx.Graph, target: str) -> list[str]:
    """An order of the tasks in which neighbours are similar: from the target's nearest on, always the most similar."""
    left = [node for node in graph if node != target]
    order, here = [], target
    while left:
        here = max(left, key=lambda node: graph[here][node]["cosine"])
        order.append(here)
        left.remove(here)
    return order
