"""Reads image files, each in a process of its own, and says what became of it, in how long and with how much memory.

`python measure.py read|size|apart FILE…` prints a line of JSON per file. Standard input is not read.
"""

import json
import os
import sys
import time
import warnings
from pathlib import Path


def memory(field: str) -> float:
    """Megabytes of this process, now (VmRSS) or at most (VmHWM).

    Not `getrusage`, which also counts what the process before an `exec` took: pytest's, a gigabyte of torch.
    """
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{field}:"))


def main() -> None:
    warnings.simplefilter("ignore")
    from realsr_mod.images.image import ImageReadError
    from realsr_mod.images.read import image_size, read_image
    from realsr_mod.images.sandbox import read_apart

    function = {"read": read_image, "size": image_size, "apart": read_apart}[sys.argv[1]]
    base = memory("VmRSS")
    for path in sys.argv[2:]:
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            started = time.perf_counter()
            try:
                found = function(path)
                answer = {"shape": list(found) if isinstance(found, tuple) else list(found.pixels_HWC.shape)}
            except ImageReadError as error:
                answer = {"refused": str(error)}
            except BaseException as error:
                answer = {"failed": repr(error)}
            answer["seconds"] = time.perf_counter() - started
            answer["peak"] = memory("VmHWM")
            os.write(writer, json.dumps(answer).encode())
            os._exit(0)
        os.close(writer)
        with os.fdopen(reader) as pipe:
            text = pipe.read()
        status = os.waitpid(child, 0)[1]
        answer = json.loads(text) if text else {"failed": f"the process ended with status {status}", "seconds": 0.0}
        megabytes = max(0.0, answer.get("peak", 0.0) - base)
        print(json.dumps({"path": path, "megabytes": megabytes, **answer}), flush=True)


if __name__ == "__main__":
    main()
