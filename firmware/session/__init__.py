"""The capture session: a pure state machine, its policy and its runner."""
