"""``python -m bagit_create`` is ``bic``."""

from .cli import cli

if __name__ == "__main__":
    cli(prog_name="bic")
