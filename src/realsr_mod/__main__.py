"""All commands: `python -m realsr_mod NAME …`, or `realsr NAME …`, is `python -m realsr_mod.NAME …`."""

import runpy
import sys

import realsr_mod
from realsr_mod.runtime.errors import print_error, suggestion

COMMANDS = {  # modules that run as programs; none is imported before it is asked for
    "train": "train a network, alone or in a sweep",
    "evaluate": "measure a model beside bicubic, on folders of photos",
    "explore": "see what networks know about degradation",
    "export": "write a model for other programs",
    "upscale": "make photos larger and better",
    "degrade": "make low-resolution images out of good ones",
    "pack": "pack photos into a store that training reads parts from",
    "app": "upscale photos on a web page",
    "share": "give a model to others: Hugging Face hub, OpenModelDB",
    "zoo": "make a network of the zoo out of a finished run",
    "methods.drtl.relation": "tell which distortions a camera's images resemble",
}


def main() -> None:
    """Run the command that the first argument names; list them all where there is none."""
    name, *arguments = sys.argv[1:] or ["--help"]
    if name in ("--help", "-h"):
        print(listing())
    elif name == "--version":
        print(realsr_mod.__version__)
    elif name in COMMANDS:
        sys.argv[1:] = arguments
        # As `__main__`, so that what starts itself anew, as a training on several GPUs does, starts the command.
        runpy.run_module(f"{realsr_mod.__name__}.{name}", run_name="__main__", alter_sys=True)
    else:
        print_error(f"there is no command '{name}'; {suggestion(name, list(COMMANDS), 'commands')}")
        sys.exit(2)


def listing() -> str:
    """The commands, a line each."""
    width = max(map(len, COMMANDS))
    rows = [f"  {name:<{width}}  {told}" for name, told in COMMANDS.items()]
    usage = f"{'What a command takes:':<{width + 2}}  python -m realsr_mod NAME --help"
    return "\n".join(["Real-world image super-resolution. python -m realsr_mod NAME …\n", *rows, "", usage])


if __name__ == "__main__":
    main()
