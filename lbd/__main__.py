"""``python -m lbd``."""

import sys

from lbd.cli.main import main

sys.exit(main())
