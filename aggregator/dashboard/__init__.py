"""The dashboard: server-rendered pages that work without the internet and without JavaScript."""
