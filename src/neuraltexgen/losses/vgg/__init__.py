"""Losses on the features of VGG-16: content, style, LPIPS; the network, its weights, and how images are cut for it."""

from neuraltexgen.losses.vgg.heads import HEADS, Head
from neuraltexgen.losses.vgg.measure import NetworkLoss, NetworkMemory, Visit
from neuraltexgen.losses.vgg.settings import NetworkSettings

__all__ = ["HEADS", "Head", "NetworkLoss", "NetworkMemory", "NetworkSettings", "Visit"]
