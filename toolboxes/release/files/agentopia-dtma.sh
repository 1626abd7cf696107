#!/bin/sh
# agentopia-dtma status | upgrade | uninstall [--keep-volumes]
exec /opt/agentopia/dtma/current/bin/python3 -m dtma.machine "$@"
