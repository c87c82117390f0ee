"""Pack the VM's root file system: the agent as init, modules, and the requests.

The archive is written here and not by ``cpio``: no root is needed for the console node,
and equal contents give equal bytes, on which equal instruction counts rest.
"""

from __future__ import annotations

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

DIRECTORIES = ("bin", "dev", "modules", "proc", "sys", "tmp")

Files = dict[str, bytes]
"""Names in the root file system, without a leading slash, and contents."""


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
        path: file to write, an uncompressed ``newc`` archive.
        agent: the static agent; becomes ``/init``.
        requests: become ``/requests``, one JSON object a line.
        modules: directory whose ``ringcross_*.ko`` go to ``/modules``.
        kernel: where stock modules are taken from; needed with *needs*.
        needs: names of stock modules. They go, uncompressed and with what they depend on,
            to ``/modules/<name>.ko``; ``/modules/modules.dep`` then has a line
            ``name: dep1 dep2`` for each, to be loaded from left to right before the name.
            Built-in modules have no line.

    Raises:
        UsageError: the kernel has no such module.
        TargetError: there is no agent.
        DiskFull: no space left.
    """
    if not agent.exists():
        raise TargetError(f"The agent is missing ({agent}): build it with `make agent`.")
    files: Files = {"requests": "".join(json.dumps(r) + "\n" for r in requests).encode()}
    for module in sorted(modules.glob("ringcross_*.ko")) if modules else []:
        files[f"modules/{module.name}"] = module.read_bytes()
    if kernel is not None:
        files |= stock_modules(kernel, needs)
    with writing("the initramfs"):
        path.write_bytes(archive(agent.read_bytes(), files))
    return path


def archive(init: bytes, files: Files) -> bytes:
    """A ``newc`` archive of *init*, *files* and :data:`DIRECTORIES`; ``bin/`` is executable."""
    entries = [(name, stat.S_IFDIR | 0o755, b"", (0, 0)) for name in DIRECTORIES]
    # Without a console node init would start without standard streams.
    entries.append(("dev/console", stat.S_IFCHR | 0o600, b"", (5, 1)))
    entries.append(("init", stat.S_IFREG | 0o755, init, (0, 0)))
    entries += [(name, _mode(name), data, (0, 0)) for name, data in sorted(files.items())]
    entries.append(("TRAILER!!!", 0, b"", (0, 0)))
    return b"".join(_entry(number, *entry) for number, entry in enumerate(entries, 1))


def _entry(inode: int, name: str, mode: int, data: bytes, device: tuple[int, int]) -> bytes:
    return header(inode, name, mode, len(data), device=device) + data + padding(len(data))


def _mode(name: str) -> int:
    return stat.S_IFREG | (0o755 if name.startswith("bin/") else 0o644)


def header(
    inode: int, name: str, mode: int, size: int, *, mtime: int = 0, device: tuple[int, int] = (0, 0)
) -> bytes:
    """What stands before the *size* bytes of a file; its :func:`padding` follows them."""
    links = 1
    numbers = (inode, mode, 0, 0, links, mtime, size, 0, 0, *device, len(name.encode()) + 1, 0)
    head = b"070701" + b"".join(b"%08X" % n for n in numbers) + name.encode() + b"\0"
    return head + padding(len(head))


def padding(size: int) -> bytes:
    """What fills *size* bytes up to where the next part of an archive begins."""
    return bytes(-size % 4)


def stock_modules(kernel: Kernel, needs: Iterable[str]) -> Files:
    """The modules *needs* of *kernel* and what they depend on, with ``modules.dep``.

    Raises:
        UsageError: the kernel has no such module.
    """
    available = _available(kernel)
    builtin = _builtin(kernel)
    files: Files = {}
    lines = []
    for need in sorted({_canonical(n) for n in needs} - builtin):
        order: list[str] = []
        _resolve(need, kernel, available, builtin, files, order)
        lines.append(f"{need}: {' '.join(order[:-1])}".rstrip() + "\n")
    if lines:
        files["modules/modules.dep"] = "".join(lines).encode()
    return files


def _resolve(
    name: str,
    kernel: Kernel,
    available: dict[str, Path],
    builtin: set[str],
    files: Files,
    order: list[str],
) -> None:
    """Append *name* to *order* after all it depends on, and put their files into *files*."""
    if name in order or name in builtin:
        return
    if name not in available:
        raise UsageError(
            f"Kernel {kernel.release} has no module {name}: leave out the channel that needs "
            "it, or choose another kernel."
        )
    data = files.setdefault(f"modules/{name}.ko", read_module(available[name]))
    for dependency in depends(data):
        _resolve(dependency, kernel, available, builtin, files, order)
    order.append(name)


def read_module(path: Path) -> bytes:
    """The module at *path*, uncompressed.

    Raises:
        TargetError: it is compressed in an unknown way.
    """
    data = path.read_bytes()
    if path.suffix == ".ko":
        return data
    if path.suffix == ".xz":
        return lzma.decompress(data)
    if path.suffix == ".zst":
        return zstandard.ZstdDecompressor().decompressobj().decompress(data)
    raise TargetError(f"{path.name} is compressed in an unknown way: choose another kernel.")


def depends(module: bytes) -> list[str]:
    """Names of the modules that an uncompressed *module* uses symbols of."""
    match = re.search(rb"\0depends=([^\0]*)\0", module)
    names = match[1].decode().split(",") if match else []
    return [_canonical(name) for name in names if name]


def _available(kernel: Kernel) -> dict[str, Path]:
    files = (kernel.modules_dir / "kernel").rglob("*.ko*")
    return {_canonical(file.name.partition(".")[0]): file for file in files}


def _builtin(kernel: Kernel) -> set[str]:
    listing = kernel.modules_dir / "modules.builtin"
    lines = listing.read_text().splitlines() if listing.exists() else []
    return {_canonical(Path(line).stem) for line in lines}


def _canonical(name: str) -> str:
    """As the kernel writes it: file names may have dashes, module names never do."""
    return name.replace("-", "_")
