"""The data-protection report: what is held, why, until when, who saw it; from the store alone."""
