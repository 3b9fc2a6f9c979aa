"""Settings come back from JSON as they were."""

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from neuraltexgen.enhance import EnhanceSettings
from neuraltexgen.files import plain
from neuraltexgen.losses import NetworkSettings
from neuraltexgen.pipeline import Job
from neuraltexgen.readers import ReadOptions
from neuraltexgen.recipes import PUBLISHED, FitSettings
from neuraltexgen.reconstruct import ReconstructSettings
from neuraltexgen.texture import TextureSettings
from neuraltexgen.training_settings import TrainSettings
from neuraltexgen.unwrap import UnwrapSettings
from neuraltexgen.update.restore import restored
from neuraltexgen.view_cache import ViewSettings

FIT = FitSettings(TextureSettings((64, 128), 4, (1.0, 2.0)), network=NetworkSettings(Path("vgg"), crop=64), batch=3)
JOBS = (
    Job(),
    Job(train=TrainSettings(PUBLISHED, 512, "none", True, memory=3.5)),
    Job(
        read=ReadOptions(mesh=Path("a b.ply"), missing="error"),
        reconstruct=ReconstructSettings(),
        enhance=EnhanceSettings(sharpen=1.0),
    ),
    Job(unwrap=UnwrapSettings("fast", 512, pages=2), density="observed", views=ViewSettings(3, None), simplify=100),
    Job(train=TrainSettings(replace(FIT, losses=("l2=1", "ssim=0.5"))), renderer="ray", cache=Path("cache")),
)


@pytest.mark.parametrize("job", JOBS)
def test_a_job_comes_back(job: Job) -> None:
    there = json.dumps(plain(asdict(job)))
    assert restored(Job, json.loads(there)) == job


def test_what_is_missing_takes_its_default() -> None:
    assert restored(ViewSettings, {"samples": 3}) == ViewSettings(3)


@pytest.mark.parametrize(
    ("kind", "value"),
    [(int, "3"), (int, True), (Path, 3), (int | None, "x"), (tuple[int, int], [1]), (FitSettings, [])],
)
def test_what_is_of_another_type_is_refused(kind: Any, value: object) -> None:
    with pytest.raises(ValueError, match="is no"):
        restored(kind, value)
