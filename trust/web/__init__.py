"""What a page that people open stands behind, at both ends: a door, one server, headers and small forms."""
