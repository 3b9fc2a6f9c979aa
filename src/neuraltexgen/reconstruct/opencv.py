"""The one import of OpenCV, which comes with the extra `stereo`."""

from types import ModuleType

from neuraltexgen.errors import ReconstructError


def has_opencv() -> bool:
    """Whether OpenCV can be imported."""
    try:
        import_opencv()
    except ReconstructError:
        return False
    return True


def import_opencv() -> ModuleType:
    """The module cv2. Raises ReconstructError, naming the extra, if it is missing or does not load."""
    try:
        import cv2
    except ImportError as error:
        raise ReconstructError(
            f"stereo on the processor needs a package that is missing ({error})",
            fix="pip install 'neuraltexgen[stereo]', or --surface sparse",
        ) from error
    return cv2
