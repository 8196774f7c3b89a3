"""Stop the set-up with a sentence when the interpreter is too old for this project."""

import sys

if sys.version_info < (3, 11):
    sys.exit(
        "This project needs Python 3.11 or later, and this is {}.{}. Call make with another one: "
        "make demo PYTHON=python3.12".format(*sys.version_info[:2])
    )
