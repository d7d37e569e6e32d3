"""The native stack: every part of the deployment on one bare Debian machine, without containers."""
