"""What is computed side by side takes one core each, and leaves the process as it was."""

import numpy as np
from threadpoolctl import threadpool_info, threadpool_limits  # type: ignore[import-untyped]

from readerstudy.results.parts import a_core_each, side_by_side


def blas_threads() -> set[int]:
    np.ones((2, 2)) @ np.ones((2, 2))
    return {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"}


def test_a_matrix_product_takes_one_core() -> None:
    with threadpool_limits(2, user_api="blas"):
        before = blas_threads()
        assert side_by_side({"one": blas_threads, "other": blas_threads}) == {"one": {1}, "other": {1}}
        assert blas_threads() == before


def test_the_last_to_leave_lifts_the_limit() -> None:
    with threadpool_limits(2, user_api="blas"):
        before = blas_threads()
        first, second = a_core_each(), a_core_each()
        first.__enter__()
        second.__enter__()
        first.__exit__(None, None, None)
        assert blas_threads() == {1}
        second.__exit__(None, None, None)
        assert blas_threads() == before
