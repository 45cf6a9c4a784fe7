"""`make torture`: see `tests.torture.run`."""

# Light: each forked producer imports this module again (multiprocessing does so with the main one).
if __name__ == "__main__":
    from tests.torture.run import main

    main()
