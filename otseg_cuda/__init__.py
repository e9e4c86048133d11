"""Compiled kernels for the ops that `otseg/ops` defines, where they were built; imports torch alone."""

from otseg_cuda import build
from otseg_cuda.libraries import FOLDER, build_info, cache_folder, cache_root, find, load

__all__ = ["FOLDER", "build", "build_info", "cache_folder", "cache_root", "find", "load"]
