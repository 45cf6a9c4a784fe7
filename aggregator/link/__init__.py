"""The devices' streams: DeviceLinkService, and who is connected."""
