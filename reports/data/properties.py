"""The properties that the probes of a run found, read from ``properties.json``."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reports.data import formats
from reports.data.run import DamagedRun, Run


@dataclass(frozen=True)
class Property:
    """One property as the run recorded it; ``mode`` is empty for a whole channel."""

    channel: str
    mode: str
    name: str
    value: Any
    how: str
    detail: str


def load(run: Run) -> tuple[Property, ...]:
    """All properties that the run recorded; none when it did not look for them.

    Raises:
        DamagedRun: ``properties.json`` cannot be understood.
    """
    return _read(run.path / "properties.json")


def _read(path: Path) -> tuple[Property, ...]:
    try:
        told = json.loads(path.read_text(encoding="utf-8"))["properties"]
        return tuple(
            Property(**{key: one[key] for key in Property.__annotations__})
            for one in map(formats.property_record, told)
        )
    except FileNotFoundError:
        return ()
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DamagedRun(
            f"{path} cannot be understood ({type(error).__name__}: {error}); delete it to see the "
            "run without its properties."
        ) from None
