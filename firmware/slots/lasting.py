"""What `aidpost-lasted.service` does ten minutes after a start: what was read until then is not damaged.

The initial file system counts each start of the primary before it opens the root. One that ends in a panic,
as dm-verity makes of a damaged block, or without power, never gets here.
"""

from __future__ import annotations

import sys

from firmware.slots.backend import Machine
from firmware.slots.selector import Selector, SelectorDamaged


def main() -> None:
    """Begin to count anew; a fault costs a look at the whole root at some later start."""
    machine = Machine()
    try:
        with machine.held():
            Selector(machine.selector).lasted()
    except (SelectorDamaged, OSError) as fault:
        sys.exit(f"aidpost-lasted: {fault}")


if __name__ == "__main__":
    main()
