"""``python -m mcjax verify``: check the derivatives of mcjax, or of a function of yours."""

import os
import sys

# Every function is checked in a thread of its own; BLAS threads on small matrices would fight them.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from .verify._cli import main

if __name__ == "__main__":
    sys.exit(main())
