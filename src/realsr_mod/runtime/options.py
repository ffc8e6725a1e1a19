"""Options that several commands take."""

from typing import Annotated

import typer

from realsr_mod.runtime.errors import user_errors
from realsr_mod.runtime.plugins import add_config_dir, trust


def _trust(packages: list[str] | None) -> None:
    with user_errors():
        trust(*packages or [])


def _add_config_dirs(folders: list[str] | None) -> None:
    with user_errors():
        for folder in folders or []:
            add_config_dir(folder)


TrustOption = Annotated[
    list[str] | None,
    typer.Option(
        "--trust",
        metavar="PACKAGE",
        help="Let files name classes of this package, which then runs with your rights; repeatable.",
        callback=_trust,
        is_eager=True,
    ),
]
ConfigDirOption = Annotated[
    list[str] | None,
    typer.Option(
        "--config-dir",
        metavar="FOLDER",
        help="Find configurations in a folder of one's own, too, laid out as conf/ is; repeatable.",
        callback=_add_config_dirs,
        is_eager=True,
    ),
]
ShardOption = Annotated[
    str | None,
    typer.Option("--shard", metavar="I/N", help="Do one of N shares, such as 3/16: one for each job of a job array."),
]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Fetch a model that is missing without asking.")]
