"""Every array shape that the package states is enforced while its tests run."""

from jaxtyping import install_import_hook

install_import_hook("neuraltexgen", "beartype.beartype")
