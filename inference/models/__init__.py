"""The committed model files, their cards, and the catalogue that checks them."""
