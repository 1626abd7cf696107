#!/opt/mcp/bin/python
"""``start.py sdk|lean stdio|http TOOLS``: one of the upstreams, with so many tools in all."""

import runpy
import sys

runpy.run_path(f"/srv/{sys.argv[1]}_upstream.py", run_name="__main__")
