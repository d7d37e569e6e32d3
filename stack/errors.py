"""What may go wrong, said in one sentence to whoever typed the command."""


class StackError(Exception):
    """The stack cannot go on; the message is one sentence that names what is wrong."""
