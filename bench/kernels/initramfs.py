# SPDX-License-Identifier: GPL-2.0-only
"""Pack the virtual machine's root file system: the agent as init, modules and requests.

This file writes the archive itself instead of calling ``cpio``. The console node then needs no
root, and equal contents give equal bytes, which equal instruction counts require.
"""

from __future__ import annotations

import gzip
import json
import lzma
import re
import stat
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import zstandard

from bench.errors import TargetError, UsageError, writing
from bench.kernels.catalog import Kernel

_PAGE = 4096

DIRECTORIES = ("bin", "dev", "modules", "proc", "sys", "tmp")

Files = dict[str, bytes]
"""Contents by name in the root file system, without a leading slash."""


def pack(
    path: Path,
    *,
    agent: Path,
    requests: Sequence[dict[str, Any]],
    modules: Path | None = None,
    kernel: Kernel | None = None,
    needs: Iterable[str] = (),
) -> Path:
    """Write an initramfs to *path* and return *path*.

    Args:
        path: the file to write, an uncompressed ``newc`` archive.
        agent: the static agent; it becomes ``/init``.
        requests: they become ``/requests``, one JSON object per line.
        modules: directory whose ``ringcross_*.ko`` are copied to ``/modules``.
        kernel: the kernel whose stock modules are packed; required with *needs*.
        needs: names of stock modules. They are copied, uncompressed and with their
            dependencies, to ``/modules/<name>.ko``. ``/modules/modules.dep`` has a line
            ``name: dep1 dep2`` for each name; the dependencies must be loaded from left to
            right, then the name. Built-in modules have no line.

    Raises:
        UsageError: the kernel has no such module.
        TargetError: there is no agent, or a module's compression is unknown.
        DiskFull: no space is left.
    """
    if not agent.exists():
        raise TargetError(f"The agent is missing ({agent}): run make agent.")
    files: Files = {"requests": "".join(json.dumps(r) + "\n" for r in requests).encode()}
    for module in sorted(modules.glob("ringcross_*.ko")) if modules else []:
        files[f"modules/{module.name}"] = module.read_bytes()
    if kernel is not None:
        files |= stock_modules(kernel, needs)
    with writing("the initramfs"):
        path.write_bytes(archive(agent.read_bytes(), files))
    return path


def archive(init: bytes, files: Files) -> bytes:
    """Return a ``newc`` archive of *init*, *files* and :data:`DIRECTORIES`.

    Files in ``bin/`` are executable. Zeros at the end fill the last page.
    """
    entries = [(name, stat.S_IFDIR | 0o755, b"", (0, 0)) for name in DIRECTORIES]
    # Without a console node, init would start without standard streams.
    entries.append(("dev/console", stat.S_IFCHR | 0o600, b"", (5, 1)))
    entries.append(("init", stat.S_IFREG | 0o755, init, (0, 0)))
    entries += [(name, _mode(name), data, (0, 0)) for name, data in sorted(files.items())]
    entries.append(("TRAILER!!!", 0, b"", (0, 0)))
    packed = b"".join(_entry(number, *entry) for number, entry in enumerate(entries, 1))
    # QEMU loads an archive of n pages and a rest so that the rest lies in the last page of memory.
    # From QEMU 10 on, the firmware has put microvm's ACPI tables at the end of that page. A rest
    # of more than about 3,300 bytes overwrites them, and the kernel hangs.
    return packed + padding(len(packed), _PAGE)


def _entry(inode: int, name: str, mode: int, data: bytes, device: tuple[int, int]) -> bytes:
    return header(inode, name, mode, len(data), device=device) + data + padding(len(data))


def _mode(name: str) -> int:
    return stat.S_IFREG | (0o755 if name.startswith("bin/") else 0o644)


def header(
    inode: int, name: str, mode: int, size: int, *, mtime: int = 0, device: tuple[int, int] = (0, 0)
) -> bytes:
    """Return the header that precedes the *size* bytes of a file; :func:`padding` follows them."""
    links = 1
    numbers = (inode, mode, 0, 0, links, mtime, size, 0, 0, *device, len(name.encode()) + 1, 0)
    head = b"070701" + b"".join(b"%08X" % n for n in numbers) + name.encode() + b"\0"
    return head + padding(len(head))


def padding(size: int, alignment: int = 4) -> bytes:
    """Return the zero bytes that align the end of *size* bytes to *alignment* bytes."""
    return bytes(-size % alignment)


def stock_modules(kernel: Kernel, needs: Iterable[str]) -> Files:
    """Return the modules *needs* of *kernel* with their dependencies, and ``modules.dep``.

    A name that begins with ``?`` is left out if the kernel has no such module.

    Raises:
        UsageError: the kernel has no such module.
        TargetError: a module's compression is unknown.
    """
    available = _available(kernel)
    builtin = _builtin(kernel)
    files: Files = {}
    lines = []
    names = tuple(needs)
    optional = provided(kernel, [name[1:] for name in names if name.startswith("?")])
    required = [name for name in names if not name.startswith("?")]
    for need in sorted({_canonical(name) for name in (*required, *optional)} - builtin):
        order: list[str] = []
        _resolve(need, kernel, available, builtin, files, order)
        lines.append(f"{need}: {' '.join(order[:-1])}".rstrip() + "\n")
    if lines:
        files["modules/modules.dep"] = "".join(lines).encode()
    return files


def provided(kernel: Kernel, names: Iterable[str]) -> tuple[str, ...]:
    """Return those of *names* that are modules of *kernel*, or built into it."""
    known = _builtin(kernel) | _available(kernel).keys()
    return tuple(name for name in names if _canonical(name) in known)


def _resolve(
    name: str,
    kernel: Kernel,
    available: dict[str, Path],
    builtin: set[str],
    files: Files,
    order: list[str],
) -> None:
    """Append *name* to *order* after all its dependencies, and add their files to *files*."""
    if name in order or name in builtin:
        return
    if name not in available:
        raise UsageError(
            f"Kernel {kernel.release} has no module {name}: leave out the channel that needs the "
            "module, or choose another kernel."
        )
    data = files.setdefault(f"modules/{name}.ko", read_module(available[name]))
    for dependency in depends(data):
        _resolve(dependency, kernel, available, builtin, files, order)
    order.append(name)


def read_module(path: Path) -> bytes:
    """Return the module at *path*, uncompressed.

    Raises:
        TargetError: its compression is unknown.
    """
    data = path.read_bytes()
    if path.suffix == ".ko":
        return data
    if path.suffix == ".gz":
        return gzip.decompress(data)
    if path.suffix == ".xz":
        return lzma.decompress(data)
    if path.suffix == ".zst":
        return zstandard.ZstdDecompressor().decompressobj().decompress(data)
    raise TargetError(f"{path.name} has an unknown compression: choose another kernel.")


def depends(module: bytes) -> list[str]:
    """Return the names of the modules whose symbols an uncompressed *module* uses."""
    match = re.search(rb"\0depends=([^\0]*)\0", module)
    names = match[1].decode().split(",") if match else []
    return [_canonical(name) for name in names if name]


def _available(kernel: Kernel) -> dict[str, Path]:
    files = (kernel.modules_dir / "kernel").rglob("*.ko*")
    return {_canonical(file.name.partition(".")[0]): file for file in files}


def _builtin(kernel: Kernel) -> set[str]:
    path = kernel.modules_dir / "modules.builtin"
    lines = path.read_text().splitlines() if path.exists() else []
    return {_canonical(Path(line).stem) for line in lines}


def _canonical(name: str) -> str:
    """Return the module name as the kernel writes it: file names may have dashes, it has none."""
    return name.replace("-", "_")
