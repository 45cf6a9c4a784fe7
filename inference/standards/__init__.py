"""Records of standards, as registries write them: pure codecs that do no I/O."""
