"""A command as a test types it."""

from cospike.entry import main


def run(*arguments):
    """The exit code of a command run in this process."""
    try:
        main([str(argument) for argument in arguments])
    except SystemExit as exit_:
        return exit_.code
    return 0
