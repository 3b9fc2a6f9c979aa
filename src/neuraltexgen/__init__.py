"""From a mesh and posed photos to the best texture. The public names, imported when they are first asked for."""

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from neuraltexgen.checks import inspect
    from neuraltexgen.convert import convert_capture
    from neuraltexgen.doctor import diagnose, write_corrected
    from neuraltexgen.enhance import EnhanceSettings, enhance_capture
    from neuraltexgen.errors import NeuralTexGenError
    from neuraltexgen.evaluation import evaluate_mesh
    from neuraltexgen.export import ExportOptions
    from neuraltexgen.kernels.sample import render
    from neuraltexgen.losses import NetworkSettings
    from neuraltexgen.outcome import write_outcome
    from neuraltexgen.pipeline import Job, Outcome, texture_capture, texture_scene
    from neuraltexgen.prepared import fit_prepared, write_uv_maps
    from neuraltexgen.readers import ReadOptions, read_capture
    from neuraltexgen.recipes import PUBLISHED, FitSettings
    from neuraltexgen.scene import Camera, DepthMap, Mesh, Scene, View
    from neuraltexgen.style import StyleSettings
    from neuraltexgen.texture import TextureSettings
    from neuraltexgen.training_settings import TrainSettings
    from neuraltexgen.unwrap import UnwrapSettings
    from neuraltexgen.uvmap.raycast import RayCaster
    from neuraltexgen.uvmap.render import make_renderer
    from neuraltexgen.view_cache import ViewSettings
    from neuraltexgen.visibility import ConfidenceSettings

__all__ = [
    "PUBLISHED",
    "Camera",
    "ConfidenceSettings",
    "DepthMap",
    "EnhanceSettings",
    "ExportOptions",
    "FitSettings",
    "Job",
    "Mesh",
    "NetworkSettings",
    "NeuralTexGenError",
    "Outcome",
    "RayCaster",
    "ReadOptions",
    "Scene",
    "StyleSettings",
    "TextureSettings",
    "TrainSettings",
    "UnwrapSettings",
    "View",
    "ViewSettings",
    "convert_capture",
    "diagnose",
    "enhance_capture",
    "evaluate_mesh",
    "fit_prepared",
    "inspect",
    "make_renderer",
    "read_capture",
    "render",
    "texture_capture",
    "texture_scene",
    "write_corrected",
    "write_outcome",
    "write_uv_maps",
]

__version__ = version("neuraltexgen")

_MODULES = {
    "PUBLISHED": "recipes",
    "Camera": "scene",
    "ConfidenceSettings": "visibility",
    "DepthMap": "scene",
    "EnhanceSettings": "enhance",
    "ExportOptions": "export",
    "FitSettings": "recipes",
    "Job": "pipeline",
    "Mesh": "scene",
    "NetworkSettings": "losses",
    "NeuralTexGenError": "errors",
    "Outcome": "pipeline",
    "RayCaster": "uvmap.raycast",
    "ReadOptions": "readers",
    "Scene": "scene",
    "StyleSettings": "style",
    "TextureSettings": "texture",
    "TrainSettings": "training_settings",
    "UnwrapSettings": "unwrap",
    "View": "scene",
    "ViewSettings": "view_cache",
    "convert_capture": "convert",
    "diagnose": "doctor",
    "enhance_capture": "enhance",
    "evaluate_mesh": "evaluation",
    "fit_prepared": "prepared",
    "inspect": "checks",
    "make_renderer": "uvmap.render",
    "read_capture": "readers",
    "render": "kernels.sample",
    "texture_capture": "pipeline",
    "texture_scene": "pipeline",
    "write_corrected": "doctor",
    "write_outcome": "outcome",
    "write_uv_maps": "prepared",
}
"""Which module has each public name. Importing it may take seconds (torch, numba), so it waits for the first use."""


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
