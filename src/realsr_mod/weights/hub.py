"""Models on the Hugging Face hub: `hf://USER/NAME`, fetched when somebody asks for one, and pushed as a folder.

Nothing here reads weights or configs: what was fetched is a folder or a file like any other from elsewhere, and goes
through the same doors (`weights.state`, `runtime.door`).
"""

import re
from dataclasses import dataclass
from pathlib import Path

PREFIX = "hf://"
NEEDS_EXTRA = "the Hugging Face hub needs an extra: pip install 'realsr-mod[hub]'"
FETCHED = ["*.safetensors", "config.json"]  # of a repository where no file is named
_NAME = re.compile(r"hf://([\w.-]+/[\w.-]+)(?:@([\w.-]+))?(?:/([\w.-]+(?:/[\w.-]+)*))?/?")


@dataclass(frozen=True)
class HubModel:
    """A model's place on the hub.

    Args:
        repository: `USER/NAME`.
        revision: a branch, tag or commit; None for the main branch.
        file: a checkpoint of another program in it; None where the repository is one model.
    """

    repository: str
    revision: str | None = None
    file: str | None = None

    def __str__(self) -> str:
        revision = f"@{self.revision}" if self.revision else ""
        return f"{PREFIX}{self.repository}{revision}" + (f"/{self.file}" if self.file else "")

    @property
    def name(self) -> str:
        """What it is called where its owner does not matter."""
        return Path(self.file).stem if self.file else self.repository.partition("/")[2]


def parse(name: str) -> HubModel:
    """`hf://USER/NAME`, `hf://USER/NAME@REVISION`, `hf://USER/NAME/FILE.pth`. Raises ValueError for anything else."""
    found = _NAME.fullmatch(name)
    if found is None or ".." in name:
        raise ValueError(f"{name}: no model on the hub is called so; give hf://USER/NAME, @REVISION or /FILE after it")
    return HubModel(*found.groups())


def fetch(model: HubModel) -> Path:
    """Bring a model into the hub's cache, unless it is there; returns its folder, or the file that is named.

    Raises:
        FileNotFoundError: no such repository, revision or file, or the hub is out of reach and the cache lacks it.
        ValueError: the hub refuses, or the extra is missing.
    """
    try:
        from huggingface_hub import errors as hub
        from huggingface_hub import hf_hub_download, snapshot_download
    except ImportError as error:
        raise ValueError(NEEDS_EXTRA) from error
    try:
        if model.file:
            return Path(hf_hub_download(model.repository, model.file, revision=model.revision))
        return Path(snapshot_download(model.repository, revision=model.revision, allow_patterns=FETCHED))
    except hub.LocalEntryNotFoundError as error:
        raise FileNotFoundError(f"{model}: the hub cannot be reached, and the cache has no copy") from error
    except hub.RepositoryNotFoundError as error:
        raise FileNotFoundError(
            f"{model}: the hub has no such model, or does not show it to you; 'hf auth login' tells it who you are"
        ) from error
    except hub.RevisionNotFoundError as error:
        raise FileNotFoundError(f"{model}: this model has no revision {model.revision}") from error
    except hub.EntryNotFoundError as error:
        raise FileNotFoundError(f"{model}: this repository has no file {model.file}") from error
    except Exception as error:  # of HTTP, in classes that differ between the client's versions
        raise ValueError(f"{model}: the hub does not give it: {_first_line(error)}") from error


def push(folder: Path, model: HubModel, private: bool = False) -> str:
    """Send every file of a folder to a repository of one's own, which is made if there is none; returns its address.

    A revision is a branch, made of the main one if there is none. Raises ValueError where the hub refuses.
    """
    try:
        from huggingface_hub import HfApi
    except ImportError as error:
        raise ValueError(NEEDS_EXTRA) from error
    api = HfApi()
    try:
        address = api.create_repo(model.repository, private=private or None, exist_ok=True)
        if model.revision:
            api.create_branch(model.repository, branch=model.revision, exist_ok=True)
        api.upload_folder(
            repo_id=model.repository,
            folder_path=folder,
            revision=model.revision,
            commit_message=f"Upload {model.name} with realsr_mod",
        )
    except Exception as error:  # as above
        raise ValueError(
            f"{model}: the hub does not take it: {_first_line(error)}; 'hf auth login' with a token that may write"
        ) from error
    return str(address)


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200]
