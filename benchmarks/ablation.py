"""What is each component worth: every one off, or on, by itself, on real captures and on the made-up room?

python -m benchmarks.ablation [SCENES] [--only NAME ...] [--texture-size 1024] [--out results/ablation.json]

Real captures are scored on their held-out photos, and with refined cameras at the poses that the texture gives these.
The made-up room, with an error planted, is scored as well against its clean photos from their true places, so that each
error's recovery is seen. Rows that are there already with the same commit are not made again.
"""

import argparse
import json
import tempfile
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from benchmarks.common import RESULTS, provenance
from neuraltexgen.evaluation import Evaluation, evaluate_mesh
from neuraltexgen.metrics import mean_score
from neuraltexgen.pipeline import Job, Outcome, texture_capture
from neuraltexgen.synthetic import SyntheticSettings, make_scene, plant, with_planted, write_capture

Change = Callable[[Job], Job]

ROOM = SyntheticSettings(views=48, width=256, height=192, supersampling=4, detail=150.0)
"""The made-up room; its photos are larger than the demo's, so that features are found in them."""

PLANTED: dict[str, tuple[str, ...]] = {
    "clean": (),
    "pose": ("pose:0.5:10",),
    "focal": ("focal:1.05",),
    "exposure": ("exposure:0.3",),
    "vignetting": ("vignetting:0.3",),
    "person": ("person:0.2",),
    "blur": ("blur:0.33:3",),
    "gloss": ("gloss:0.3",),
    "response": ("exposure:0.3", "response:0.5"),
    "all": ("pose:0.5:10", "focal:1.05", "exposure:0.3", "vignetting:0.3", "person:0.2", "blur:0.33:3"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scenes", type=Path, nargs="?")
    parser.add_argument("--only", nargs="*")
    parser.add_argument("--components", nargs="*")
    parser.add_argument("--texture-size", type=int, default=1024)
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--out", type=Path, default=RESULTS / "ablation.json")
    options = parser.parse_args()
    made_by, rows = provenance(), _kept(options.out, provenance()["commit"])
    with tempfile.TemporaryDirectory() as folder:
        cache = options.cache or Path(folder)
        for name, capture, clean in captures(options.scenes, cache, options.only):
            for component, change in COMPONENTS.items():
                done = any((row["capture"], row["component"]) == (name, component) for row in rows)
                if done or (options.components and component not in options.components):
                    continue
                job = change(_job(capture, options.texture_size, cache / name / "cache"))
                rows.append({"capture": name, "component": component, **row_of(job, capture, clean)})
                print(json.dumps(rows[-1]), flush=True)
                options.out.write_text(json.dumps({**made_by, "rows": rows}, indent=1) + "\n")


def captures(scenes: Path | None, folder: Path, only: list[str] | None) -> list[tuple[str, Path, Path | None]]:
    """(name, capture, the same capture without errors); real ones first."""
    real = [] if scenes is None else [(path.name, path, None) for path in sorted(scenes.iterdir()) if path.is_dir()]
    scene, planted = None, []
    for name, errors in PLANTED.items():
        called = f"room, {name}"
        if only and called not in only:
            continue
        scene = scene or make_scene(ROOM)
        clean = _written(scene, folder / "room, clean" / "capture")
        wrong = with_planted(scene, plant(errors))
        planted.append((called, _written(wrong, folder / called / "capture"), clean))
    return [row for row in (*real, *planted) if not only or row[0] in only]


def row_of(job: Job, capture: Path, clean: Path | None) -> dict[str, Any]:
    """One whole run: its scores, and those against the clean capture if there is one."""
    with tempfile.TemporaryDirectory() as out:
        outcome = texture_capture(capture, Path(out), job)
        result: dict[str, Any] = {"texture": outcome.texture.shape[0], "solver": outcome.trained.settings.fit.solver}
        result |= {"held_out": asdict(outcome.trained.mean), "fit_seconds": round(outcome.seconds["fit"], 1)}
        result["seconds"] = round(sum(outcome.seconds.values()), 1)
        if outcome.aligned is not None:
            result["aligned"] = asdict(outcome.aligned.mean)
        if clean is not None:
            result["against_clean"] = _against(Path(out) / "mesh.glb", clean)
    return result | _transients(outcome)


def _against(mesh: Path, clean: Path) -> dict[str, Any]:
    scores = evaluate_mesh(mesh, clean, Evaluation(cache=clean.parent / "evaluated"))
    return asdict(mean_score([s.score for s in scores]))


def _transients(outcome: Outcome) -> dict[str, float]:
    found = outcome.trained.transients
    return {} if found is None else {"left_out": sum(found.shares) / max(1, len(found.shares))}


def _written(scene: Any, folder: Path) -> Path:
    return folder if (folder / "transforms.json").exists() else write_capture(scene, folder)


def _job(capture: Path, size: int, cache: Path) -> Job:
    listed, job = capture / "heldout.txt", Job(cache=cache, refine="none")
    holdout = str(listed) if listed.exists() else "8"
    return replace(job, train=replace(job.train, texture_size=size, holdout=holdout))


def _fit(**changes: Any) -> Change:
    return lambda job: replace(job, train=replace(job.train, fit=replace(job.train.fit, **changes)))


def _train(**changes: Any) -> Change:
    return lambda job: replace(job, train=replace(job.train, **changes))


def _views(**changes: Any) -> Change:
    return lambda job: replace(job, views=replace(job.views, **changes))


def _kept(path: Path, commit: str) -> list[dict[str, Any]]:
    kept = json.loads(path.read_text()) if path.exists() else {}
    return kept["rows"] if kept.get("commit") == commit else []


COMPONENTS: dict[str, Change] = {
    "as it is": lambda job: job,
    "no exposure": _fit(exposure=False),
    "no response curve": _train(response=False),
    "no confidence": _views(confidence=None),
    "no sharpness weights": _fit(sharpness_power=0.0),
    "no blur": _train(blur=False),
    "no seam tie": _fit(seam_weight=0.0),
    "one sample a pixel": _views(samples=1),
    "Adam": _fit(solver="adam"),
    "transients left out": _train(transients=True),
    "cameras refined": lambda job: replace(job, refine="cameras"),
    "cameras refined where it helps": lambda job: replace(job, refine="auto"),
    "cameras refined, photos warped": lambda job: replace(job, refine="warps"),
    "cameras refined, transients left out": lambda job: replace(_train(transients=True)(job), refine="cameras"),
}


if __name__ == "__main__":
    main()
