"""Makes the appliance's image: from a recipe to a disk, the same bytes each time (docs/image.md)."""
