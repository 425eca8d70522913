"""The names in Redis, spelled here only."""

# LIST of job ids: the next few jobs, not the backlog; see lists.py for the others
QUEUE = "job_queue"
UPDATES = "job_updates"  # pub/sub channel: changes of jobs


def spare_key(name: str) -> str:
    """LIST of job ids for what one tenant may not hold of workers, without that tenant's."""
    return f"{name}:spare"


def full_key(name: str) -> str:
    """The tenants that hold all they may of some worker."""
    return f"{name}:full"


def taken_key(name: str) -> str:
    """How many ids were ever popped from a list."""
    return f"{name}:taken"


def look_key(name: str) -> str:
    """Set while a process looks for what is next, and for a moment after."""
    return f"{name}:look"


def backlog_key(name: str) -> str:
    """Set while more jobs wait than the list holds."""
    return f"{name}:backlog"


def fronted_key(name: str) -> str:
    """How many ids were put in front since the last look."""
    return f"{name}:fronted"


def pushed_key(name: str) -> str:
    """The ids pushed while a process looks, which its look may not have seen."""
    return f"{name}:pushed"


def popped_key(name: str) -> str:
    """The ids popped last, which a look may find once more."""
    return f"{name}:popped"


def keys_of(name: str) -> list[str]:
    """All keys of a list."""
    others = (taken_key, look_key, backlog_key, fronted_key, popped_key, pushed_key, full_key)
    return [name, *(key(name) for key in others)]
