# SPDX-License-Identifier: GPL-2.0-only
"""What a run determines besides its cells: properties and x-rays."""
