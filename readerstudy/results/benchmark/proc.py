"""pROC, where R with it is installed: its DeLong interval and its bootstrap of an AUC, timed by R itself."""

import shutil
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

# Answers each line of its input, "WHAT N", by the seconds that doing it N times takes, by R's own clock, and a value.
# "interval": from truth and scores to DeLong's interval; "interval alone": of a curve that is there already;
# "replicate": N replicates of pROC's stratified bootstrap.
_SCRIPT = """
suppressMessages(library(pROC))
folder <- commandArgs(trailingOnly = TRUE)[1]
read <- function(name, n) readBin(file.path(folder, name), "double", n = n)
n <- file.size(file.path(folder, "truth")) / 8
truth <- read("truth", n); score <- read("score", n)
made <- function() roc(truth, score, levels = c(0, 1), direction = "<", quiet = TRUE)
curve <- made()
cat("pROC", as.character(packageVersion("pROC")), "under", R.version.string, "\\n"); flush(stdout())
input <- file("stdin", "r")
while (length(line <- readLines(input, 1)) > 0) {
  asked <- strsplit(line, ":")[[1]]; times <- as.integer(asked[2])
  once <- switch(asked[1],
    "interval" = function() ci.auc(made(), method = "delong"),
    "interval alone" = function() ci.auc(curve, method = "delong"),
    "replicates" = function() ci.auc(curve, method = "bootstrap", boot.n = times, progress = "none"))
  begin <- Sys.time()
  if (asked[1] == "replicates") found <- once() else for (i in seq_len(times)) found <- once()
  seconds <- as.numeric(Sys.time() - begin, units = "secs")
  cat(format(c(seconds, as.numeric(found)), digits = 17), "\\n"); flush(stdout())
}
"""


def found() -> bool:
    """Whether `Rscript` is here and has pROC."""
    rscript = shutil.which("Rscript")
    if rscript is None:
        return False
    asked = [rscript, "-e", 'quit(status = !requireNamespace("pROC", quietly = TRUE))']
    return subprocess.run(asked, capture_output=True, check=False).returncode == 0  # noqa: S603


class Proc:
    """An R process with these cases; a context manager. ``name``: the versions of pROC and R."""

    def __init__(self, truth: NDArray[np.bool_], score: NDArray[np.float64]) -> None:
        self._folder = tempfile.TemporaryDirectory()
        folder = Path(self._folder.name)
        (folder / "truth").write_bytes(truth.astype(np.float64).tobytes())
        (folder / "score").write_bytes(score.astype(np.float64).tobytes())
        (folder / "script.R").write_text(_SCRIPT)
        self._process = subprocess.Popen(  # noqa: S603
            [shutil.which("Rscript") or "Rscript", str(folder / "script.R"), str(folder)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        self.name = self._line().strip()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()
        self._folder.cleanup()

    def timed(self, what: str, times: int) -> tuple[float, list[float]]:
        """(seconds once, [lower limit, AUC, upper limit]) of an "interval", an "interval alone" or of "replicates"."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{what}:{times}\n")
        self._process.stdin.flush()
        seconds, *values = map(float, self._line().split())
        return seconds / times, values

    def _line(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("R ended before it answered; its own message stands above.")
        return line
