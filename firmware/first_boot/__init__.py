"""From a fresh card to an appliance of its site: claim, join, settings, self-test."""
