"""Where and with what numbers a network calculates."""

from __future__ import annotations

import platform

import torch

from model_core.checkpoint import CheckpointError

PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def find_device(device: str | torch.device | None) -> torch.device:
    """The device asked for, or a GPU where there is one. Raises: CheckpointError for one that is not there."""
    if device is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        found = torch.device(device)
        if found.type == "meta":
            raise NotImplementedError("it holds no numbers")
        # a GPU that is there is not touched: each process of several would otherwise take memory of the first one
        if found.type != "cuda" or (found.index or 0) >= torch.cuda.device_count():
            torch.empty(0, device=found)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise CheckpointError(f"The device {device!s} is not available: {str(error).splitlines()[0]}") from error
    return found


def calculates_bfloat16(device: torch.device) -> bool:
    """Whether the device has instructions for bfloat16, so that it is faster there and not only emulated."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device)[0] >= 8
    if device.type != "cpu" or not torch.ops.mkldnn._is_mkldnn_bf16_supported():
        return False
    if platform.machine().lower() not in ("x86_64", "amd64"):
        return True
    # oneDNN says yes of every processor with AVX-512, and emulates bfloat16 on the older ones: slower than float32
    return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()


def choose_precision(precision: str | None, device: torch.device) -> str:
    """None or "auto": float16 on a GPU, bfloat16 on a processor that calculates with it, else float32.

    On a GPU both are as fast, and float16 has three more bits.
    Raises: CheckpointError for a precision that is not known or not for this device.
    """
    if precision in (None, "auto"):
        if device.type == "cuda":
            return "float16"
        return "bfloat16" if calculates_bfloat16(device) else "float32"
    if precision not in PRECISIONS:
        raise CheckpointError(f"The precision must be auto or one of {', '.join(PRECISIONS)}, not {precision!r}.")
    if precision == "float16" and device.type == "cpu":
        raise CheckpointError("The precision float16 is for GPUs; a processor takes float32 or bfloat16.")
    return precision
