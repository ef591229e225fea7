"""``python -m mcjax verify``: check the derivatives of mcjax, or of a function of yours."""

import sys

from .verify._cli import main

if __name__ == "__main__":
    sys.exit(main())
