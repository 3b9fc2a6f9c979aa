"""Rasterisation on the processor along any lens's own rays: the ray caster's UV maps, many times faster.

`lens` knows where in the photo the rays of a lens lie, `cover` finds the nearest face of each sample, `rasteriser` is
the renderer.
"""
