"""The figures of a parametrisation in words, for the command line and the report."""

from neuraltexgen.unwrap.measure import UnwrapFigures


def figure_rows(figures: UnwrapFigures) -> tuple[tuple[str, str], ...]:
    """(label, value) lines, the same for every method."""
    low, middle, high = figures.density
    counted = figures.faces - figures.degenerate
    without = f", {figures.degenerate:,} faces without area" if figures.degenerate else ""
    pages = ()
    if figures.pages > 1:
        each = "; ".join(f"{n:,}, {u:.1%}" for n, u in zip(figures.page_charts, figures.page_utilisation, strict=True))
        pages = (("pages", f"{figures.pages}; charts and share used of each: {each}"),)
    return (
        *pages,
        ("charts", f"{figures.charts:,} of {figures.faces:,} faces{without}"),
        ("used", f"{figures.utilisation:.1%} of {_times(figures)}{figures.resolution} x {figures.resolution} texels"),
        ("stretch", f"{figures.stretch_l2:.3f} (L2), {figures.stretch_max:.3g} (largest); 1 is none"),
        ("angles", f"off by {figures.angle_degrees:.2f} degrees; conformal {figures.conformal:.3f}, 1 is perfect"),
        ("seams", f"{figures.seam_length:.1f} diameters long; the mesh's own border {figures.border_length:.1f}"),
        ("overlap", f"{figures.overlap:.2%} of the used texels"),
        ("folded", f"{figures.flipped:,} of {counted:,} faces; {figures.mirrored_charts:,} charts are mirrored"),
        ("density", f"{low:.4g}, {middle:.4g}, {high:.4g} texels a unit (5 %, half, 95 % of the surface)"),
        ("mip levels", _mips(figures.mip_level)),
    )


def _mips(level: int) -> str:
    if level < 0:
        return "lookups at the full size already read two charts at once"
    return f"lookups keep to their charts at level 0{f' to {level}' if level else ''}"


def _times(figures: UnwrapFigures) -> str:
    return f"{figures.pages} x " if figures.pages > 1 else ""
