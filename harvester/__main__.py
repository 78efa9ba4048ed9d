"""``python -m harvester`` runs the command line."""

from harvester.cli.application import main

if __name__ == "__main__":
    main()
