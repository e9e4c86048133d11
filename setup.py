"""Thin on purpose: everything is declared in pyproject.toml; compiled kernels will be built from here."""

from setuptools import setup

setup()
