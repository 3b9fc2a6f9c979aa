"""The subcommand that gives a mesh uvs, and measures them."""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any

import tyro

from neuraltexgen.cli.options import Pages, Scale
from neuraltexgen.cli.rows import notes
from neuraltexgen.cli.talk import Talk
from neuraltexgen.files import plain
from neuraltexgen.meshes import read_mesh, write_mesh
from neuraltexgen.meshes.simplify import simplify
from neuraltexgen.pages import tile_number
from neuraltexgen.scene import Mesh
from neuraltexgen.unwrap import MethodName, UnwrapFigures, UnwrapSettings, measure, unwrap
from neuraltexgen.unwrap.words import figure_rows

MeshFile = Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="MESH")]
Faces = Annotated[int | None, tyro.conf.arg(metavar="FACES")]


@dataclass(frozen=True)
class Unwrap:
    """Give a mesh uvs, and say how good they are."""

    mesh: MeshFile
    """OFF, PLY, OBJ or GLB."""
    out: Annotated[Path | None, tyro.conf.arg(aliases=["-o"], metavar="FILE")] = None
    """The mesh with uvs: .obj, .ply or .off by its suffix; unwrapped.obj if not given."""
    method: MethodName = "auto"
    """auto keeps the mesh's own uvs where it has them, else makes new ones with fast."""
    simplify: Faces = None
    """First reduce the mesh to so many faces; needs neuraltexgen[open3d]."""
    resolution: int = 2048
    """The texture size, in texels, that the gutter is meant for."""
    gutter: int = 4
    """Texels between charts, at least."""
    mip_levels: int | None = None
    """Keep charts as far apart as lookups at mip levels 0 to N take, 2 x 2^N texels, if that is more."""
    pages: Pages = None
    """Spread the charts over so many textures, as UDIM tiles; with --texels-per-unit, over so many at most."""
    texels_per_unit: Scale = None
    """Texels a world unit, on as many pages of --resolution texels as that needs."""
    partitions: int = 1
    """Pieces that uvatlas works on at the same time: faster, and more charts."""
    time_limit: float = 1800.0
    """Seconds that a back end in a process of its own (uvatlas, blender, meshlab) may take."""
    measure: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Print charts, stretch, seams, overlap and more. With kept uvs and without --out nothing is written."""
    talk: Talk = field(default_factory=Talk)

    def run(self) -> None:
        loaded = read_mesh(self.mesh)
        settings = UnwrapSettings(
            method=self.method,
            resolution=self.resolution,
            gutter=self.gutter,
            partitions=self.partitions,
            time_limit=self.time_limit,
            mip_levels=self.mip_levels,
            pages=self.pages,
            texels_per_unit=self.texels_per_unit,
        )
        bare, note = (loaded.mesh, "") if self.simplify is None else simplify(loaded.mesh, self.simplify)
        [(mesh, method)] = [unwrap(bare, settings) for _ in self.talk.progress(range(1), "unwrap", 1)]
        figures = measure(mesh, self.resolution) if self.measure or method == "keep" else None
        written = self._write(mesh, method)
        rows = [("method", method), ("mesh", f"{len(mesh.faces):,} faces, {_uvs(mesh):,} uvs")]
        rows += [("pages", f"{mesh.pages}, as UDIM tiles 1001 to {tile_number(mesh.pages - 1)}")] * (mesh.pages > 1)
        said = (*loaded.notes, *filter(None, [note]))
        rows += [*(figure_rows(figures) if figures else ()), *notes(said)]
        self.talk.rows((*rows, *self.talk.files(written)), _result(mesh, method, figures, said))

    def _write(self, mesh: Mesh, method: str) -> list[Path]:
        if self.out is None and self.measure and method == "keep":
            return []
        path = self.out or Path("unwrapped.obj")
        write_mesh(path, mesh)
        return [path]


def _uvs(mesh: Mesh) -> int:
    return 0 if mesh.uvs is None else len(mesh.uvs)


def _result(mesh: Mesh, method: str, figures: UnwrapFigures | None, said: tuple[str, ...]) -> dict[str, Any]:
    result: dict[str, Any] = {
        "method": method,
        "faces": len(mesh.faces),
        "pages": mesh.pages,
        "uvs": _uvs(mesh),
        "notes": list(said),
    }
    return plain(result | ({"figures": asdict(figures)} if figures else {}))
