# SPDX-License-Identifier: GPL-2.0-only
"""Several kernels, or several kernel command lines, in one command: the runs they make."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from bench.errors import UsageError
from bench.plan.options import RunOptions, words

NONE = "none"
"""The word of ``--append`` for no further parameters."""
_SEPARATOR = "|"  # kernel parameters contain commas and blanks


@dataclass(frozen=True)
class Variant:
    """What distinguishes one run from the others of its run set.

    Attributes:
        kernel: as in :attr:`RunOptions.kernel`, for one kernel.
        append: as in :attr:`RunOptions.append`.
    """

    kernel: str
    append: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """A title such as ``6.12 with mitigations=off``."""
        return " with ".join([self.kernel, *([" ".join(self.append)] if self.append else [])])

    @property
    def file_name(self) -> str:
        """The name as a part of a path."""
        kernel = self.kernel.rstrip("/").rpartition("/")[2]
        return re.sub(r"[^\w.+=-]+", "-", "-".join([kernel, *self.append]))

    def applied_to(self, options: RunOptions) -> RunOptions:
        """Return *options* with the kernel and the parameters of this variant."""
        return replace(options, kernel=self.kernel, append=self.append)


def read_variants(kernels: str, appends: str | None) -> list[Variant]:
    """Return each kernel with each set of parameters, without duplicates.

    Args:
        kernels: names of kernels, separated by commas, for example ``6.1,6.12``.
        appends: sets of kernel parameters, separated by ``|``. ``none`` is the empty set, as in
            ``none | mitigations=off``.

    Raises:
        UsageError: no kernel is named.
    """
    names = words(kernels)
    if not names:
        raise UsageError("No kernel is named: write --kernel stock, or leave the option out.")
    parameters = [
        () if part.strip() == NONE else tuple(part.split())
        for part in (appends or "").split(_SEPARATOR)
    ]
    return list(dict.fromkeys(Variant(name, append) for name in names for append in parameters))
