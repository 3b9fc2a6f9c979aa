"""Image losses: a table of them, how a user names them, and the objective that they add up to."""

from neuraltexgen.losses.objective import Objective, needs_network
from neuraltexgen.losses.parse import LossTerm, parse_loss, parse_losses, plugins
from neuraltexgen.losses.table import LOSSES, PRESETS, Loss, describe
from neuraltexgen.losses.vgg import HEADS, NetworkLoss, NetworkMemory, NetworkSettings, Visit

__all__ = [
    "HEADS",
    "LOSSES",
    "PRESETS",
    "Loss",
    "LossTerm",
    "NetworkLoss",
    "NetworkMemory",
    "NetworkSettings",
    "Objective",
    "Visit",
    "describe",
    "needs_network",
    "parse_loss",
    "parse_losses",
    "plugins",
]
