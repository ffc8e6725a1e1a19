"""What MkDocs adds to the hand-written pages: the READMEs of the package where they lie, with what they link to; the
reference of `conf/` from its comments; the reference of the code from its docstrings; and the navigation."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

sys.path[:0] = [str(Path(__file__).parents[1] / "src"), str(Path(__file__).parent)]

import reference_pages  # noqa: E402, after the paths are known

ROOT = Path(__file__).parents[1]
AT_THE_TOP = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")
PACKAGE = ROOT / "src" / "realsr_mod"
LINK = re.compile(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)")  # to files of the repository, not to other sites


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Write the navigation: the overview, then what is known about the methods, then how to use and call things."""
    found = list(readmes())
    methods, zoo = ([uri for uri in found if f"/{folder}/" in uri] for folder in ("methods", "weights/zoo"))
    others = [uri for uri in found if uri not in (*methods, *zoo, *AT_THE_TOP)]
    config.nav = [
        {"Overview": AT_THE_TOP[0]},
        {"Methods": methods},
        {"Trained networks": zoo},
        *([{"Inside": others}] if others else []),
        {"Configuration": [{"How it works": "configuration/index.md"}, *reference_pages.configuration()]},
        {"Python": [*reference_pages.api()]},
        {"Project": [*AT_THE_TOP[1:]]},
    ]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages, and of the repository's files those that a README links to or shows."""
    for uri in readmes():
        files.append(File.generated(config, uri, abs_src_path=str(ROOT / uri)))
        for linked in linked_files(uri):
            if linked not in files.src_uris:
                files.append(File.generated(config, linked, abs_src_path=str(ROOT / linked)))
    for uri, text in {**reference_pages.configuration(), **reference_pages.api()}.items():
        files.append(File.generated(config, uri, content=text))
    return files


def readmes() -> Iterator[str]:
    """The pages of the repository's top, the notebooks' and the READMEs inside the package, as paths from the top."""
    yield from (*AT_THE_TOP, "notebooks/README.md")
    for path in sorted(PACKAGE.rglob("README.md")):
        yield path.relative_to(ROOT).as_posix()


def linked_files(readme: str) -> Iterator[str]:
    """The files that a README links to, as paths from the repository's top; pages are none."""
    for target in LINK.findall((ROOT / readme).read_text(encoding="utf-8")):
        path = (ROOT / readme).parent.joinpath(target).resolve()
        if path.is_file() and path.suffix != ".md" and path.is_relative_to(ROOT):
            yield path.relative_to(ROOT).as_posix()
