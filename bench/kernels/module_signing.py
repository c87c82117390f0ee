# SPDX-License-Identifier: GPL-2.0-only
"""Whether a kernel loads only modules that are signed with a key it trusts.

The modules of ringcross are built on the user's machine and are not signed. Such a kernel refuses
each of them, so this is found out before anything is built or booted.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

LOCKDOWN = "/sys/kernel/security/lockdown"
SIG_ENFORCE = "/sys/module/module/parameters/sig_enforce"
SECURE_BOOT = "/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"

ADVICE = (
    "use --target vm, or --channels syscall, which needs no module; or sign them with the key of "
    "this machine's owner and name their folder with --prebuilt; or boot without this restriction."
)
"""What to do if the running kernel refuses unsigned modules."""

_SIGNED_END = b"~Module signature appended~\n"
_LEVELS = ("integrity", "confidentiality")


def enforced_by_boot(words: Iterable[str], config: str) -> str:
    """Why a kernel that boots with *words* and *config* refuses unsigned modules.

    Args:
        words: the words of its command line.
        config: text of its ``.config``; empty if it is not known.

    Returns:
        The word or the option; empty if the kernel loads unsigned modules.
    """
    options = dict(re.findall(r"^(CONFIG_\w+)=(.*)$", config, re.MULTILINE))
    lockdown = not options or options.get("CONFIG_SECURITY_LOCKDOWN_LSM") == "y"
    signatures = not options or options.get("CONFIG_MODULE_SIG") == "y"
    for word in words:
        key, _, value = word.partition("=")
        if lockdown and key == "lockdown" and value in _LEVELS:
            return word
        # The kernel takes a dash in the name of a parameter for an underscore.
        enforce = key.replace("-", "_") == "module.sig_enforce"
        if signatures and enforce and (not value or value[0] in "yYtT1" or value == "on"):
            return word
    forced = ("CONFIG_MODULE_SIG_FORCE", *(f"CONFIG_LOCK_DOWN_KERNEL_FORCE_{level.upper()}"
                                            for level in _LEVELS))  # fmt: skip
    return next((f"{name}=y" for name in forced if options.get(name) == "y"), "")


def enforced_here(config: str, root: Path = Path("/")) -> str:
    """Why the running kernel refuses unsigned modules; empty if it loads them.

    Args:
        config: text of its ``.config``; empty if it is not known.
        root: the root directory that contains ``sys``; another one for tests.
    """
    reasons = []
    if level := lockdown_level(_read(root, LOCKDOWN)):
        reasons.append(f"lockdown is {level}")
    if _read(root, SIG_ENFORCE).strip() in ("Y", "1"):
        reasons.append("module.sig_enforce is on")
    elif forced := enforced_by_boot((), config):
        reasons.append(forced)
    if reasons and secure_boot(root):
        reasons.append("Secure Boot is on")
    return ", ".join(reasons)


def lockdown_level(text: str) -> str:
    """The level in brackets, as in ``none [integrity] confidentiality``; empty for ``none``."""
    match = re.search(r"\[(\w+)\]", text)
    return match[1] if match and match[1] in _LEVELS else ""


def secure_boot(root: Path = Path("/")) -> bool:
    """Whether the firmware booted this machine with Secure Boot."""
    try:  # four bytes of attributes, then the value
        return (root / SECURE_BOOT.lstrip("/")).read_bytes()[4:5] == b"\1"
    except OSError:
        return False


def unsigned(modules: Mapping[str, Path]) -> list[str]:
    """The names of the modules that have no signature."""
    return [name for name, path in modules.items() if not _has_signature(path)]


def _has_signature(path: Path) -> bool:
    """Whether the file ends with a signature; also true if there is no file to sign."""
    try:
        return path.read_bytes().endswith(_SIGNED_END)
    except OSError:  # the check of the folder reports it
        return True


def _read(root: Path, path: str) -> str:
    try:
        return (root / path.lstrip("/")).read_text()
    except OSError:
        return ""
