"""A PEP 517 backend that gives pip the metadata lying in a source archive, and builds nothing.

`pip download` asks a package's own backend for metadata, which fetches build tools and runs the package's
code. corpus puts this file in the place of those backends: the archives come down unexecuted, in seconds.
"""

from __future__ import annotations

import email
import shutil
import sys
from pathlib import Path

__legacy__ = sys.modules[__name__]  # the name pip asks setuptools for where there is no pyproject.toml


def prepare_metadata_for_build_wheel(metadata_directory: str, config_settings: object = None) -> str:
    """Copy PKG-INFO, which has the form of a wheel's METADATA; returns the name of the folder made."""
    with open("PKG-INFO", "rb") as file:
        metadata = email.message_from_binary_file(file)
    name = f"{metadata['Name'].replace('-', '_')}-{metadata['Version']}.dist-info"
    folder = Path(metadata_directory, name)
    folder.mkdir(parents=True)
    shutil.copy("PKG-INFO", folder / "METADATA")
    return name


def build_wheel(
    wheel_directory: str, config_settings: object = None, metadata_directory: object = None
) -> str:
    """Never asked for by `pip download`."""
    raise RuntimeError("only metadata is given here")
