"""A simulated day: the real station, machines, store, ledger and report, with people who are drawn."""
