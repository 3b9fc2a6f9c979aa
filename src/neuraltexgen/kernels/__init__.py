"""Each op with its definition in plain PyTorch, and a dispatcher that takes the fastest twin for the device."""
