"""The work itself: registration, clinic check-in and distribution as pure state machines over the session."""
