"""`python -m cloud`: what scripts/lab starts."""

from cloud.commands import main

if __name__ == "__main__":
    main(prog_name="scripts/lab")
