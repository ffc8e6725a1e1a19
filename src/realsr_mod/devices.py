"""What the machine's devices are good at."""

import torch


def best_precision(accelerator: str) -> str:
    """Lightning's precision flag for `accelerator`: bf16 where the hardware multiplies it fast, else float32.

    Fast means NVIDIA Ampere or newer, or a CPU with AMX or AVX-512 BF16; elsewhere bf16 is emulated, far slower than
    float32.
    """
    on_gpu = accelerator in ("gpu", "cuda") or (accelerator == "auto" and torch.cuda.is_available())
    if on_gpu:
        fast = torch.cuda.is_available() and torch.cuda.get_device_capability() >= (8, 0)
    else:
        fast = accelerator in ("cpu", "auto") and cpu_multiplies_bf16()
    return "bf16-mixed" if fast else "32-true"


def cpu_multiplies_bf16() -> bool:
    """Whether this CPU has instructions that multiply bf16 (AMX or AVX-512 BF16)."""
    if not hasattr(torch.cpu, "get_capabilities"):
        return False
    found = torch.cpu.get_capabilities()
    return bool(found.get("amx_bf16", False) or found.get("avx512_bf16", False))


def describe(device: torch.device, processes: int = 1) -> str:
    """What computes, in words, for figures of speed: the GPU's name, or the CPU's threads and instructions."""
    if processes > 1:
        return f"{processes} processes, each on {describe(device)}"
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    if device.type == "cpu":
        threads = torch.get_num_threads()
        return f"CPU, {threads} thread{'s' if threads > 1 else ''}, {torch.backends.cpu.get_cpu_capability()}"
    return device.type
