"""DTMA as a program that is installed on a machine: what ``agentopia-dtma`` does. Each of these is a short-lived process of its own.

places     where everything is
services   the system service, under systemd and without
answering  whether DTMA answers, asked as anybody may
settling   the release that is in place becomes the running service
fetching   the newest release of the control plane
upgrading  another release takes the place of this one, or does not
leaving    everything goes again
"""
