"""Several appliances of one distribution point serve one list: each household has one owner among them."""
