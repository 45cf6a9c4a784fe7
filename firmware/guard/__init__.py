"""The key guards: file, PIN, the Pi's one-time-programmable key, and TPM, behind `trust.keys.guard`."""
