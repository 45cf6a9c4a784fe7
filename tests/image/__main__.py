"""`make image-test`: see `tests.image.run`."""

from tests.image.run import main

if __name__ == "__main__":
    main()
