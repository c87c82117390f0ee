# SPDX-License-Identifier: GPL-2.0-only
"""Read the properties of the channels from ``properties.json``."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reports.data import formats
from reports.data.run import DamagedRun, Run
from reports.text import markup


@dataclass(frozen=True)
class Property:
    """One property as the run recorded it.

    Attributes:
        mode: empty for a property of the channel as a whole.
        how: ``probe``, ``counted``, ``documented``, ``none`` (the property does not apply) or
            ``failed`` (the probe got no answer).
        detail: sentences about how the value was determined.
    """

    channel: str
    mode: str
    name: str
    value: Any
    how: str
    detail: str


def load(run: Run) -> tuple[Property, ...]:
    """All properties that the run recorded; empty if it ran no probes.

    Raises:
        DamagedRun: ``properties.json`` cannot be parsed.
    """
    return _read(run.path / "properties.json")


def _read(path: Path) -> tuple[Property, ...]:
    try:
        records = json.loads(path.read_text(encoding="utf-8"))["properties"]
        return tuple(
            Property(
                **{key: record[key] for key in Property.__annotations__}
                | {"detail": markup.plain(record["detail"])}
            )
            for record in map(formats.property_record, records)
        )
    except FileNotFoundError:
        return ()
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DamagedRun(
            f"{path} cannot be parsed ({type(error).__name__}: {error}). Delete it to render the "
            "run without its properties."
        ) from None
