"""`python -m otseg`: the command line without its script."""

from otseg.cli.main import main

if __name__ == "__main__":
    main()
