"""Photos made better before the fit: noise, resolution, sharpness, white balance."""

from neuraltexgen.enhance.capture import enhance_capture
from neuraltexgen.enhance.scene import Enhanced, enhance_scene
from neuraltexgen.enhance.settings import EnhanceSettings

__all__ = ["EnhanceSettings", "Enhanced", "enhance_capture", "enhance_scene"]
