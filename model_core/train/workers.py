"""One process, or several started by `torchrun`: who this is, and sums over all. NCCL on GPUs, gloo on CPUs."""

from __future__ import annotations

import datetime
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, distributed

from model_core.manifest import DataError

# Others wait while one process looks at every picture or scores a fold; torchrun ends them where one of them dies, so
# that the ten minutes after which NCCL gives up by itself would only end sound runs.
PATIENCE = datetime.timedelta(days=2)


@dataclass(frozen=True)
class Workers:
    """rank: of this process, from 0; processes: how many there are; device: this one's."""

    rank: int
    processes: int
    device: torch.device

    @property
    def leads(self) -> bool:
        """Whether this is the one process that writes and draws bars."""
        return self.rank == 0

    def sum(self, values: Tensor) -> Tensor:
        """The sum over all processes, on the CPU; the values themselves where there is one."""
        if self.processes == 1:
            return values.cpu()
        moved = values.to(self.device)
        distributed.all_reduce(moved)
        return moved.cpu()

    def any(self, flag: bool) -> bool:
        """Whether it is so in any process: all then do the same."""
        return bool(self.sum(torch.tensor(float(flag)))) if self.processes > 1 else flag

    def wait(self) -> None:
        """Until every process is here."""
        if self.processes > 1:
            distributed.barrier()


@contextmanager
def joined_workers(device: torch.device) -> Iterator[Workers]:
    """The processes that `torchrun` started, or this one alone. device: of one process; its kind is taken.

    Within a context that has joined them already they stay joined. Raises: DataError for fewer GPUs than processes.
    """
    processes = int(os.environ.get("WORLD_SIZE", "1"))
    if processes == 1:
        yield Workers(0, 1, device)
        return
    if device.type == "cuda":
        device = _own_gpu()
        torch.cuda.set_device(device)
    if distributed.is_initialized():
        yield Workers(distributed.get_rank(), processes, device)
        return
    distributed.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=PATIENCE)
    try:
        yield Workers(distributed.get_rank(), processes, device)
    finally:
        distributed.destroy_process_group()


def _own_gpu() -> torch.device:
    number, there = int(os.environ.get("LOCAL_RANK", "0")), torch.cuda.device_count()
    if number >= there:
        raise DataError(
            f"torchrun started a process number {number + 1} on this machine, which has {there} GPUs: give "
            f"--nproc-per-node {there} at most, or --device cpu."
        )
    return torch.device("cuda", number)
