"""`python -m propulate_like` is the command `propulate-like`."""

from propulate_like.cli.app import main

if __name__ == "__main__":
    main()
