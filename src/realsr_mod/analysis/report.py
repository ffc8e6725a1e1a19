"""The report: one HTML file with everything in it, which opens without a network.

Legend: N pictures, K conditions.
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
from realsr_mod.analysis.grid import Pictures
from realsr_mod.analysis.plots import condition_colours, content_colours
from realsr_mod.analysis.study import Study
from realsr_mod.pictures import to_uint8

TOOLS = "pan,wheel_zoom,box_zoom,lasso_select,tap,reset,save"
HOVER = """
<div style="width:132px; font-size:12px; color:#222">
  <img src="@picture" width="128" height="128" style="image-rendering:pixelated; display:block">
  <b>@condition</b><br>@content
</div>
"""


def data_uri(picture_3HW: Tensor) -> str:
    """A picture as text that a browser shows: lossless WebP."""
    buffer = io.BytesIO()
    Image.fromarray(to_uint8(picture_3HW)).save(buffer, "WEBP", lossless=True)
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode()


def write_report(path: Path, studies: Sequence[Study], title: str, settings: dict[str, Any]) -> Path:
    """Write the studies of one or more networks as one HTML file. Networks of one scale share the pictures.

    Args:
        path: the file.
        studies: in the order in which they appear.
        title: the page's headline.
        settings: what the reader should know about how it was made; shown as a list.
    """
    sources: dict[int, ColumnDataSource] = {}
    plots = {}
    for number, study in enumerate(studies):
        if id(study.pictures) not in sources:
            sources[id(study.pictures)] = picture_source(study.pictures)
        source = sources[id(study.pictures)]
        source.add(study.plane_N2[:, 0], f"x{number}")
        source.add(study.plane_N2[:, 1], f"y{number}")
        plots[f"degradation{number}"] = scatter_plot(study, number, source, by="degradation")
        plots[f"content{number}"] = scatter_plot(study, number, source, by="content")
    script, divisions = components(plots)
    template = Environment(loader=PackageLoader("realsr_mod.analysis", "."), autoescape=True, trim_blocks=True)
    pictures = studies[0].pictures
    html = template.get_template("report.html").render(
        title=title,
        settings=settings,
        version=realsr_mod.__version__,
        studies=studies,
        strip=picture_strip(pictures),
        scripts=Markup(Resources(mode="inline", components=["bokeh"]).render()),
        plot_script=Markup(script),
        plots={name: Markup(division) for name, division in divisions.items()},
        shade=shade,
        figure=index_text,
    )
    path.write_text(html, encoding="utf-8")
    return path


def picture_source(pictures: Pictures) -> ColumnDataSource:
    """One row per picture: the picture itself, its condition, its content, its colour by content."""
    names = pictures.condition_names
    colours = content_colours(len(pictures.contents))
    return ColumnDataSource(
        {
            "picture": [data_uri(picture) for picture in pictures.lr_N3hw],
            "condition": [names[index] for index in pictures.condition_N],
            "content": [pictures.contents.names[index] for index in pictures.content_N],
            "colour": [colours[index] for index in pictures.content_N],
        }
    )


def scatter_plot(study: Study, number: int, source: ColumnDataSource, by: str) -> figure:
    """Dots that show their picture under the mouse. All plots of a source select together."""
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
        names = study.pictures.condition_names
        for name, colour in zip(names, condition_colours(study.pictures.conditions), strict=True):
            view = CDSView(filter=GroupFilter(column_name="condition", group=name))
            items.append(LegendItem(label=name, renderers=[plot.scatter(**xy, view=view, fill_color=colour, **look)]))
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


def picture_strip(pictures: Pictures, contents: int = 3) -> list[tuple[str, list[str]]]:
    """A few contents under every condition: (condition, pictures) in the order of the conditions."""
    chosen = np.unique(np.linspace(0, len(pictures.contents) - 1, contents).astype(int))
    count = len(pictures.contents)
    return [
        (name, [data_uri(pictures.lr_N3hw[index * count + content]) for content in chosen])
        for index, name in enumerate(pictures.condition_names)
    ]


def index_text(value: float) -> str:
    """An index in as many digits as say something."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}"


def shade(share: float) -> str:
    """The style of a table cell that holds a share from 0 to 1: the more, the bluer."""
    return f"background: rgba(31, 95, 191, {share:.2f}); color: {'white' if share > 0.5 else 'inherit'}"
