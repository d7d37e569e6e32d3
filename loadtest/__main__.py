"""Patches the standard library for gevent before anything else can import it, then runs."""

from gevent import monkey

monkey.patch_all()

from loadtest.cli import main

main(prog_name="python -m loadtest")
