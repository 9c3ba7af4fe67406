"""What every tier needs.

scripts/node is uploaded to the hosts as it stands and its content names the release, so nothing
may write byte code into it.
"""

import sys

sys.dont_write_bytecode = True
