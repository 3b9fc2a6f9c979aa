"""A textured mesh for other programs: OBJ with its material and texture file, GLB with the texture inside."""

from neuraltexgen.export.textured import ExportOptions, export_textured_mesh

__all__ = ["ExportOptions", "export_textured_mesh"]
