"""Tables as papers and code hosts take them."""

from collections.abc import Sequence
from dataclasses import dataclass

_LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "–": "--", "×": r"$\times$", "σ": r"$\sigma$",
}  # fmt: skip


@dataclass(frozen=True)
class PlainTable:
    """A table of texts: a title, column headings, rows as long as these. The first column is left, others centered."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]

    def as_markdown(self) -> str:
        """As code hosts show it, columns padded so that it can be read as it is."""
        cells = [[cell.replace("|", "\\|") for cell in row] for row in (self.columns, *self.rows)]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        head, *body = [
            "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
            for row in cells
        ]
        rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
        return "\n".join([f"**{self.title}**", "", head, rule, *body])

    def as_latex(self) -> str:
        r"""As a `table` for papers; needs \usepackage{booktabs}."""
        lines = [" & ".join(map(_escaped, row)) + r" \\" for row in (self.columns, *self.rows)]
        return "\n".join(
            [
                r"\begin{table}", r"\centering", rf"\caption{{{_escaped(self.title)}}}",
                rf"\begin{{tabular}}{{l{'c' * (len(self.columns) - 1)}}}", r"\toprule", lines[0], r"\midrule",
                *lines[1:], r"\bottomrule", r"\end{tabular}", r"\end{table}",
            ]
        )  # fmt: skip


def _escaped(text: str) -> str:
    return "".join(_LATEX.get(letter, letter) for letter in text)
