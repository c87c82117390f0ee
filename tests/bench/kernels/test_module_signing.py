# SPDX-License-Identifier: GPL-2.0-only
"""Kernels that load only signed modules are recognised before anything is built."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.kernels import module_signing

DEBIAN = (
    "CONFIG_MODULE_SIG=y\n# CONFIG_MODULE_SIG_FORCE is not set\nCONFIG_SECURITY_LOCKDOWN_LSM=y\n"
)


@pytest.mark.parametrize(
    ("words", "config", "enforced"),
    [
        ("quiet mitigations=off", DEBIAN, ""),
        ("lockdown=integrity", DEBIAN, "lockdown=integrity"),
        ("quiet lockdown=confidentiality", DEBIAN, "lockdown=confidentiality"),
        ("lockdown=integrity", "", "lockdown=integrity"),
        ("lockdown=none", DEBIAN, ""),
        ("lockdown=integrity", "CONFIG_MODULE_SIG=y\n", ""),
        ("module.sig_enforce", DEBIAN, "module.sig_enforce"),
        ("module.sig-enforce=1", DEBIAN, "module.sig-enforce=1"),
        ("module.sig_enforce=on", DEBIAN, "module.sig_enforce=on"),
        ("module.sig_enforce=0", DEBIAN, ""),
        ("module.sig_enforce=off", DEBIAN, ""),
        ("module.sig_enforce=1", "CONFIG_SECURITY_LOCKDOWN_LSM=y\n", ""),
        ("", "CONFIG_MODULE_SIG_FORCE=y\n", "CONFIG_MODULE_SIG_FORCE=y"),
        (
            "",
            "CONFIG_LOCK_DOWN_KERNEL_FORCE_INTEGRITY=y\n",
            "CONFIG_LOCK_DOWN_KERNEL_FORCE_INTEGRITY=y",
        ),
    ],
)
def test_by_boot(words: str, config: str, enforced: str) -> None:
    assert module_signing.enforced_by_boot(words.split(), config) == enforced


def machine(root: Path, *, lockdown: str = "", enforce: str = "", secure_boot: bytes = b"") -> Path:
    contents = {
        module_signing.LOCKDOWN: lockdown.encode(),
        module_signing.SIG_ENFORCE: enforce.encode(),
        module_signing.SECURE_BOOT: secure_boot,
    }
    for path, content in contents.items():
        if content:
            file = root / path.lstrip("/")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
    return root


ON, OFF = b"\6\0\0\0\1", b"\6\0\0\0\0"


@pytest.mark.parametrize(
    ("files", "enforced"),
    [
        ({}, ""),
        ({"lockdown": "[none] integrity confidentiality\n", "enforce": "N\n"}, ""),
        ({"lockdown": "[none] integrity confidentiality\n", "secure_boot": ON}, ""),
        ({"lockdown": "none [integrity] confidentiality\n"}, "lockdown is integrity"),
        (
            {"lockdown": "none integrity [confidentiality]\n", "secure_boot": OFF},
            "lockdown is confidentiality",
        ),
        (
            {"lockdown": "none [integrity] confidentiality\n", "secure_boot": ON},
            "lockdown is integrity, Secure Boot is on",
        ),
        ({"enforce": "Y\n"}, "module.sig_enforce is on"),
    ],
)
def test_here(tmp_path: Path, files: dict[str, str], enforced: str) -> None:
    assert module_signing.enforced_here(DEBIAN, machine(tmp_path, **files)) == enforced  # type: ignore[arg-type]


def test_here_by_the_configuration(tmp_path: Path) -> None:
    forced = "CONFIG_MODULE_SIG_FORCE=y"
    assert module_signing.enforced_here(f"{forced}\n", tmp_path) == forced
    assert module_signing.enforced_here("", tmp_path) == ""


def test_signatures(tmp_path: Path) -> None:
    signed, plain = tmp_path / "a.ko", tmp_path / "b.ko"
    signed.write_bytes(b"\x7fELF...~Module signature appended~\n")
    plain.write_bytes(b"\x7fELF...")
    assert module_signing.unsigned({"a": signed, "b": plain}) == ["b"]
