"""The gallery as the appliances of a site share it: sealed here, opened here, and nowhere in between."""
