"""What a launcher may do in its namespace: rbac.yaml, with its run's names put in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from services.launcher.config import LauncherConfig

RULES = Path(__file__).with_name("rbac.yaml")


def rules(config: LauncherConfig) -> list[dict[str, Any]]:
    """The rules of the Role of this launcher."""
    text = RULES.read_text().replace("{job}", config.run).replace("{lease}", config.lease)
    found: list[dict[str, Any]] = yaml.safe_load(text)
    return found
