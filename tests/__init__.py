"""The tests, and what measures."""

import os

# As the appliance has it (firmware/cli.py), before numpy is loaded. On two processors that others used too,
# the three tests of PolyProtect took 65 s of processor time with two threads and 7 s with one.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
