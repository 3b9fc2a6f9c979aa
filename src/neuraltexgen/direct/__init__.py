"""The direct solver: normal equations in texture space instead of gradient steps, for losses that are squares."""

from neuraltexgen.direct.rounds import can_solve, solve

__all__ = ["can_solve", "solve"]
