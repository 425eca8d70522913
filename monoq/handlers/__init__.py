"""The job types that ship with monoq. Each is written as a user's would be; none may reach into the
rest of the package."""

from monoq.app.registry import App
from monoq.handlers.echo import echo
from monoq.handlers.sleep import sleep

builtin = App()
builtin.handler("echo")(echo)
builtin.handler("sleep", timeout=3700)(sleep)
