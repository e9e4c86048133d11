"""Compiled kernels for the ops that `otseg/ops` defines, where they were built; imports torch alone."""

from otseg_cuda.libraries import build_info, find, load

__all__ = ["build_info", "find", "load"]
