# SPDX-License-Identifier: GPL-2.0-only
"""Several kernels and several kernel command lines become one run each."""

from __future__ import annotations

import pytest

from bench.errors import UsageError
from bench.plan.options import RunOptions
from bench.plan.variants import Variant, read_variants


def test_one_kernel_without_parameters_is_one_variant() -> None:
    assert read_variants("stock", None) == [Variant("stock")]
    assert read_variants("stock", "") == [Variant("stock")]


def test_kernels_and_parameters_are_combined() -> None:
    found = read_variants("6.1, 6.12", "none | mitigations=off nosmt")
    off = ("mitigations=off", "nosmt")
    assert found == [
        Variant("6.1"),
        Variant("6.1", off),
        Variant("6.12"),
        Variant("6.12", off),
    ]


def test_a_comma_in_a_parameter_separates_nothing() -> None:
    assert read_variants("stock", "isolcpus=1,2") == [Variant("stock", ("isolcpus=1,2",))]


def test_a_kernel_named_twice_is_measured_once() -> None:
    assert read_variants("6.1,6.1", "a | a") == [Variant("6.1", ("a",))]


def test_no_kernel_at_all_is_an_error() -> None:
    with pytest.raises(UsageError, match="No kernel is named"):
        read_variants(" , ", None)


def test_names() -> None:
    variant = Variant("/home/me/linux/", ("mitigations=off", "a=/b"))
    assert variant.name == "/home/me/linux/ with mitigations=off a=/b"
    assert variant.file_name == "linux-mitigations=off-a=-b"


def test_a_variant_replaces_kernel_and_parameters() -> None:
    options = Variant("6.12", ("quiet",)).applied_to(RunOptions(kernel="6.1", seed=7))
    assert (options.kernel, options.append, options.seed) == ("6.12", ("quiet",), 7)
