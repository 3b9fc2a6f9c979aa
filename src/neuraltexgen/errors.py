"""The error tree: everything that this package raises on purpose derives from `NeuralTexGenError`."""


class NeuralTexGenError(Exception):
    """Base of all our errors. `fix`, if given, is printed on a second line and says what the user can do."""

    def __init__(self, message: str, fix: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.fix = fix

    def __str__(self) -> str:
        return f"{self.message}\nfix: {self.fix}" if self.fix else self.message


class ReaderError(NeuralTexGenError):
    """A capture, or one of its files, is missing, broken or of no known format."""


class MeshError(NeuralTexGenError):
    """A mesh file or a mesh's arrays break the contract of `scene.Mesh`."""


class ImageError(NeuralTexGenError):
    """A photo, mask, depth map or EXR file can't be read or has the wrong size or kind."""


class CameraError(NeuralTexGenError):
    """A camera model, its parameters or a pose make no sense."""


class ReconstructError(NeuralTexGenError):
    """Cameras or a surface can't be made from photos or depth maps, or a package that this needs is missing."""


class EnhanceError(NeuralTexGenError):
    """A super-resolution model can't be used, or the enhanced photos have no place to go."""


class UnwrapError(NeuralTexGenError):
    """A parametrisation back end failed, or the uvs are unusable."""


class RenderError(NeuralTexGenError):
    """A renderer of UV maps can't start, or can't render a camera."""


class FitError(NeuralTexGenError):
    """The optimisation can't start or can't go on (nothing seen, not finite, out of the memory budget)."""


class LossError(NeuralTexGenError):
    """A loss expression names no known loss, or a user's own loss breaks the signature."""


class ExportError(NeuralTexGenError):
    """A result can't be written."""


class ConfigError(NeuralTexGenError):
    """A setting is out of range, or two settings contradict each other."""
