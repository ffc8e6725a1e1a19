"""The report: one HTML file with everything in it, which opens without a network.

Legend: N images, K conditions.
"""

import base64
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from bokeh.embed import components
from bokeh.models import CDSView, ColumnDataSource, GroupFilter, HoverTool, Legend, LegendItem
from bokeh.plotting import figure
from bokeh.resources import Resources
from jinja2 import Environment, PackageLoader
from markupsafe import Markup
from PIL import Image
from torch import Tensor

import realsr_mod
from realsr_mod.analysis.grid import DegradedImages
from realsr_mod.analysis.plots import condition_colors, content_colors
from realsr_mod.analysis.study import Study
from realsr_mod.images.tensors import to_uint8

TOOLS = "pan,wheel_zoom,box_zoom,lasso_select,tap,reset,save"
HOVER = """
<div style="width:132px; font-size:12px; color:#222">
  <img src="@image" width="128" height="128" style="image-rendering:pixelated; display:block">
  <b>@condition</b><br>@content
</div>
"""


def data_uri(image_3HW: Tensor) -> str:
    """An image as text that a browser shows: lossless WebP."""
    buffer = io.BytesIO()
    Image.fromarray(to_uint8(image_3HW)).save(buffer, "WEBP", lossless=True)
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode()


def write_report(path: Path, studies: Sequence[Study], title: str, settings: dict[str, Any]) -> Path:
    """Write the studies of one or more networks as one HTML file. Networks of one scale share the images.

    Args:
        path: the file.
        studies: in the order in which they appear.
        title: the page's headline.
        settings: what the reader should know about how it was made; shown as a list.
    """
    sources: dict[int, ColumnDataSource] = {}
    plots = {}
    for number, study in enumerate(studies):
        if id(study.images) not in sources:
            sources[id(study.images)] = image_source(study.images)
        source = sources[id(study.images)]
        source.add(study.plane_N2[:, 0], f"x{number}")
        source.add(study.plane_N2[:, 1], f"y{number}")
        plots[f"degradation{number}"] = scatter_plot(study, number, source, by="degradation")
        plots[f"content{number}"] = scatter_plot(study, number, source, by="content")
    script, divisions = components(plots)
    template = Environment(loader=PackageLoader("realsr_mod.analysis", "."), autoescape=True, trim_blocks=True)
    images = studies[0].images
    html = template.get_template("report.html").render(
        title=title,
        settings=settings,
        version=realsr_mod.__version__,
        studies=studies,
        strip=image_strip(images),
        scripts=Markup(Resources(mode="inline", components=["bokeh"]).render()),
        plot_script=Markup(script),
        plots={name: Markup(division) for name, division in divisions.items()},
        shade=shade,
        figure=index_text,
    )
    path.write_text(html, encoding="utf-8")
    return path


def image_source(images: DegradedImages) -> ColumnDataSource:
    """One row per image: the image itself, its condition, its content, its colour by content."""
    names = images.condition_names
    colors = content_colors(len(images.contents))
    return ColumnDataSource(
        {
            "image": [data_uri(image) for image in images.lr_N3hw],
            "condition": [names[index] for index in images.condition_N],
            "content": [images.contents.names[index] for index in images.content_N],
            "colour": [colors[index] for index in images.content_N],
        }
    )


def scatter_plot(study: Study, number: int, source: ColumnDataSource, by: str) -> figure:
    """Dots that show their image under the mouse. All plots of a source select together."""
    plot = figure(
        width=560 if by == "degradation" else 450,
        height=400,
        tools=TOOLS,
        active_drag="pan",
        active_scroll=None,
        title=f"coloured by {by}",
        x_axis_label=study.axes[0],
        y_axis_label=study.axes[1],
        output_backend="canvas",
    )
    look = {"size": 7, "line_color": None, "fill_alpha": 0.85, "nonselection_fill_alpha": 0.08}
    xy = {"x": f"x{number}", "y": f"y{number}", "source": source}
    if by == "degradation":
        items = []
        names = study.images.condition_names
        for name, color in zip(names, condition_colors(study.images.conditions), strict=True):
            view = CDSView(filter=GroupFilter(column_name="condition", group=name))
            items.append(LegendItem(label=name, renderers=[plot.scatter(**xy, view=view, fill_color=color, **look)]))
        plot.add_layout(Legend(items=items, click_policy="hide", border_line_color=None), "right")
    else:
        plot.scatter(**xy, fill_color="colour", **look)
    plot.add_tools(HoverTool(tooltips=HOVER, attachment="horizontal", limit=1))
    if study.features_ND.shape[1] > 2:  # the axes of t-SNE and UMAP mean nothing
        plot.axis.major_tick_line_color = plot.axis.minor_tick_line_color = None
        plot.axis.major_label_text_font_size = "0pt"
    plot.grid.visible = False
    plot.toolbar.logo = None
    return plot


def image_strip(images: DegradedImages, contents: int = 3) -> list[tuple[str, list[str]]]:
    """A few contents under every condition: (condition, images) in the order of the conditions."""
    chosen = np.unique(np.linspace(0, len(images.contents) - 1, contents).astype(int))
    count = len(images.contents)
    return [
        (name, [data_uri(images.lr_N3hw[index * count + content]) for content in chosen])
        for index, name in enumerate(images.condition_names)
    ]


def index_text(value: float) -> str:
    """An index in as many digits as say something."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}"


def shade(share: float) -> str:
    """The style of a table cell that holds a share from 0 to 1: the more, the bluer."""
    return f"background: rgba(31, 95, 191, {share:.2f}); color: {'white' if share > 0.5 else 'inherit'}"
