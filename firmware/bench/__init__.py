"""Measures a real `aidpost run` process from outside: stage times, start, memory."""
