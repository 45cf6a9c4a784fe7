"""Pictures whose comparison has a known answer: the part of a self-test that tries the recognition itself."""
