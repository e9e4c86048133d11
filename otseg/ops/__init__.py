"""Numerics on plain tensors, in torch: the boundary that compiled kernels can take over from below."""
