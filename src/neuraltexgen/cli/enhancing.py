"""The subcommand that writes a capture with better photos."""

from dataclasses import dataclass, field
from pathlib import Path

from neuraltexgen.cli.options import Capture, Enhancing, Out, Reading
from neuraltexgen.cli.rows import left_out, notes
from neuraltexgen.cli.talk import Talk
from neuraltexgen.enhance import enhance_capture


@dataclass(frozen=True)
class Enhance:
    """Write a capture with its photos enhanced: noise, resolution, sharpness, white balance."""

    capture: Capture
    """A capture's folder, or the file that defines it."""
    out: Out = Path("enhanced")
    """Gets images/, a COLMAP text model in sparse/0, and the mesh: a capture by itself."""
    device: str = "auto"
    """auto (CUDA if there is one), cpu, cuda or cuda:1."""
    memory: float | None = None
    """GiB to keep within, by smaller tiles; half the machine's if not given."""
    reading: Reading = field(default_factory=Reading)
    enhancing: Enhancing = field(default_factory=Enhancing)
    talk: Talk = field(default_factory=Talk)

    def run(self) -> None:
        settings, read = self.enhancing.settings(), self.reading.settings()
        done = enhance_capture(self.capture, self.out, settings, read, self.device, self.memory, self.talk.progress)
        camera = done.scene.views[0].camera
        rows = [
            ("photos", f"{len(done.scene.views)} in {self.out / 'images'}, {camera.width} x {camera.height} pixels")
        ]
        rows += [*left_out(done.scene.left_out), *notes(done.scene.notes)]
        self.talk.rows((*rows, *self.talk.files([self.out])), done.figures())
