"""Devices and memory: what there is, what is asked for, and what is left for views."""

from pathlib import Path

import pytest
import torch

from neuraltexgen.errors import ConfigError
from neuraltexgen.machine import (
    BASELINE,
    GIB,
    LEAST_STEP,
    MOVING,
    choose_device,
    fit_peak,
    memory_budget,
    network_memory,
    view_budget,
)

CPU = torch.device("cpu")


def test_auto_takes_what_there_is() -> None:
    assert choose_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    assert choose_device("cpu") == CPU


@pytest.mark.parametrize(
    ("name", "message"),
    [("warp", "no such kind"), ("", "no such kind"), ("cuda:99", "CUDA devices"), ("meta", "only cpu and cuda")],
)
def test_a_device_that_is_not_there_is_an_error(name: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        choose_device(name)
    assert caught.value.fix is not None


def test_the_budget_is_what_the_user_says_else_a_share_of_the_machine() -> None:
    assert memory_budget(1.5, CPU) == 3 * GIB // 2
    with open("/proc/meminfo", encoding="ascii") as file:
        total = int(file.readline().split()[1]) * 1024
    assert memory_budget(None, CPU) == pytest.approx(total / 2, rel=0.01)


def test_what_the_fit_leaves_is_for_views_and_a_step_must_fit() -> None:
    fit, view = 100_000_000, 1_000_000
    least = BASELINE + fit + MOVING * view
    assert view_budget(least, fit, view) == 0
    assert view_budget(least + 12345, fit, view) == 12345
    with pytest.raises(ConfigError, match=r"needs at least 0\.9 GiB"):
        view_budget(least - 1, fit, view)


def test_the_memory_that_the_error_proposes_is_enough() -> None:
    with pytest.raises(ConfigError) as caught:
        view_budget(memory_budget(0.5, CPU), 3 * GIB // 7, 12_345_678)
    assert caught.value.fix is not None
    proposed = float(caught.value.fix.split()[1].rstrip(","))
    assert view_budget(memory_budget(proposed, CPU), 3 * GIB // 7, 12_345_678) > 0


def test_the_peak_is_what_the_views_hold_and_what_a_step_takes() -> None:
    photo = 640 * 480
    held, streamed = fit_peak([photo] * 100, 2, 500_000_000)
    assert held - streamed == 100 * photo * 49 / 2
    assert streamed == BASELINE + 500_000_000 + MOVING * photo * 49 / 2
    assert view_budget(held, 500_000_000, photo * 49 // 2) == held - streamed
    assert fit_peak([], 2, 7) == (BASELINE + 7, BASELINE + 7)


@pytest.mark.parametrize("gib", [0, 1, 8, 64, 1000])
def test_a_network_takes_its_least_and_a_share_of_what_is_spare_and_views_have_the_rest(
    gib: int, tmp_path: Path
) -> None:
    memory = network_memory(gib * GIB, CPU, tmp_path)
    assert memory.folder == tmp_path
    assert memory.disk > 0
    assert memory.device == 0
    assert LEAST_STEP <= memory.step <= LEAST_STEP + 3 * GIB
    assert memory.step - LEAST_STEP + memory.host <= 2 * gib * GIB // 3
