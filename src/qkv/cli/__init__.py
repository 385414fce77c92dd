"""The command line: `qkv run`, `qkv chat`, `qkv describe`, `qkv env`; one file per command.

What is special: nothing heavy is imported before a command needs it, so `qkv --help` answers at once. On a terminal the
output is for people, in a pipe it is tab-separated text, and with --json it is one JSON document of a fixed shape.
"""


def main() -> None:
    """Run the command line that sys.argv holds, and exit: 0 done, 1 failed, 2 not understood, 130 interrupted."""
    try:
        from .app import app

        app(prog_name="qkv")
    except KeyboardInterrupt:  # before a command has begun
        raise SystemExit(130) from None
