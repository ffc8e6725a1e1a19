"""Command: which distortions a camera resembles. `python -m realsr_mod.methods.drtl.relation MODEL PAIRS -o OUT`."""

from pathlib import Path
from typing import Annotated

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from realsr_mod.runtime.errors import user_errors

app = typer.Typer(add_completion=False)
console = Console(soft_wrap=True)


@app.command()
def relation(
    model: Annotated[Path, typer.Argument(help="A relation network: the run folder of experiment=drtl_relation.")],
    pairs: Annotated[Path, typer.Argument(help="A camera's pairs (its folder LR is looked at), or its LR images.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for relation.png, .json and .graphml.")],
    temperature: Annotated[float, typer.Option(help="Of the weights; small: only the nearest tasks count.")] = 0.2,
    name: Annotated[str, typer.Option(help="What the camera is called in the graph.")] = "camera",
) -> None:
    """Print how much each auxiliary distortion counts for a camera, and draw the relation graph."""
    from realsr_mod.methods.drtl.graph import relation_graph, save_graph
    from realsr_mod.methods.drtl.network import relation_weights, target_embedding
    from realsr_mod.methods.drtl.target import camera_images, load_relation

    with user_errors():
        network = load_relation(model)
        target_D = target_embedding(network, camera_images(pairs))
        weights = relation_weights(network, target_D, temperature).tolist()
        graph = relation_graph(network.tasks, network.task_embeddings().detach(), weights, name, target_D)
        paths = save_graph(graph, output)
    table = Table(title=f"{pairs}: relation to the auxiliary distortions", box=box.SIMPLE)
    for column in ("distortion", "cosine", "weight", ""):
        table.add_column(column, justify="right" if column in ("cosine", "weight") else "left")
    for task, weight in sorted(zip(network.tasks, weights, strict=True), key=lambda item: -item[1]):
        table.add_row(task, f"{graph[name][task]['cosine']:+.2f}", f"{weight:.3f}", "█" * round(40 * weight))
    console.print(table)
    for path in paths:
        console.print(f"written to {path}", highlight=False)


if __name__ == "__main__":
    app()
