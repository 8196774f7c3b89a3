"""Stop the installation with a message if the interpreter is too old for this project."""

import sys

if sys.version_info < (3, 11):
    sys.exit(
        "This project needs Python 3.11 or later, but this is Python {}.{}. Select another interpreter, for example: "
        "make demo PYTHON=python3.12".format(*sys.version_info[:2])
    )
