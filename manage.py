#!/usr/bin/env python
"""Django's command line; finds the services of `make run` through AGENTOPIA_HOME."""

import os
import sys

from django.core.management import execute_from_command_line

from accounts.acting import begin_acting, who_commands

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "agentopia.settings")
    begin_acting(who_commands())
    execute_from_command_line(sys.argv)
