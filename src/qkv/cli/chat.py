"""qkv chat: a conversation on the terminal, or with a pipe, a message a line.

What is special: a reply stops within one token of Ctrl-C, and what was said so far stays in the conversation.
"""

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import Event
from typing import Annotated, Any

import typer

from qkv.errors import nearest, short

from .inputs import lines_of
from .terminal import Debug, clean, clean_lines, say

COMMANDS = {  # what they take, and what they do
    "/reset": ("", "start anew, with the same instructions"),
    "/system": ("TEXT", "give other instructions, or none"),
    "/set": ("NAME VALUE", "change how text is generated, such as: /set temperature 0.7"),
    "/show": ("", "the instructions, the settings and the messages"),
    "/save": ("FILE", "write the messages as JSON, or to read if it ends in .md"),
    "/load": ("FILE", "go on with the messages of such a JSON file"),
    "/undo": ("", "take back the last message and its reply"),
    "/regenerate": ("", "another reply to the last message"),
    "/stats": ("on|off", "show tokens and speed after each reply"),
    "/help": ("", "this list"),
    "/exit": ("", "end; so does Ctrl-D"),
}
QUOTES = '"""'
MORE = "... "


def chat(  # noqa: PLR0913 - typer makes a parameter an option
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Folder, org/name or org/name@revision.")],
    system: Annotated[str | None, typer.Option(metavar="TEXT", help="Instructions before the conversation.")] = None,
    stats: Annotated[bool, typer.Option("--stats", help="Show tokens and speed after each reply.")] = False,
    seed: Annotated[int | None, typer.Option(min=0, metavar="N", help="The same seed draws the same replies.")] = None,
    revision: Annotated[str | None, typer.Option(metavar="NAME", help="Branch, tag or commit on the Hub.")] = None,
    device: Annotated[
        str | None, typer.Option(metavar="NAME", help="auto, cpu, cuda, cuda:0, mps or a number.")
    ] = None,
    dtype: Annotated[str | None, typer.Option(metavar="NAME", help="auto, float32, bfloat16 or float16.")] = None,
    quantize: Annotated[str | None, typer.Option(metavar="NAME", help="int8 or int4: less memory, faster.")] = None,
    debug: Debug.Option = False,
) -> None:
    """Talk with a chat model.

    A line is a message. A line that ends in \\ goes on in the next; so does everything between two \"\"\".
    Ctrl-C stops a reply, Ctrl-D ends. /help lists the commands. In a pipe each line is answered as plain text.

    [bold]Examples[/bold]

      qkv chat org/name --system "Answer briefly."
      printf 'Hello!\\nTell me more.\\n' | qkv chat ./my-model
    """
    from qkv.pipelines import pipeline
    from qkv.seed import set_seed

    from .conversation import Conversation
    from .run import device_of

    options: dict[str, Any] = {"revision": revision, "dtype": dtype, "quantize": quantize}
    options = {name: value for name, value in options.items() if value is not None}
    pipe = pipeline("text-generation", model, device=device_of(device), **options)
    if not pipe.tokenizer.chat_template:
        raise ValueError(
            f"{short(model)} has no chat template, so it was not trained to chat. "
            f"Type: qkv run text-generation -m {clean(model)} TEXT"
        )
    if seed is not None:
        set_seed(seed)
    talk = Talk(Conversation(pipe, system), stats)
    if sys.stdin.isatty():
        talk.on_terminal()
    else:
        talk.in_pipe()


class Talk:
    """A conversation and where it is held."""

    def __init__(self, conversation: Any, stats: bool):
        self.conversation, self.stats, self.over = conversation, stats, False

    def on_terminal(self) -> None:
        """Until Ctrl-D or /exit; an error is shown and the talk goes on."""
        with suppress(ImportError):  # Windows has none
            import readline  # noqa: F401 - gives input() editing and a history
        print("Type a message, or /help. Ctrl-C stops a reply, Ctrl-D ends.")
        while not self.over:
            try:
                self.take(message(input))
            except EOFError:
                print()
                return
            except KeyboardInterrupt:
                print()
                say("note", "Ctrl-D or /exit ends.")
            except (OSError, ValueError, TypeError) as error:
                say("error", error)

    def in_pipe(self) -> None:
        """Answer every line; an error ends."""
        lines = (line.rstrip("\r\n") for _, line in lines_of(sys.stdin.buffer, "the pipe"))

        def line(_: str) -> str:
            try:
                return next(lines)
            except StopIteration:
                raise EOFError from None

        while not self.over:
            try:
                self.take(message(line))
            except EOFError:
                return

    def take(self, text: str) -> None:
        """A message, or a command."""
        if not text.strip():
            return
        name, _, rest = text.strip().partition(" ")
        if not name.startswith("/") or "\n" in text:
            self.reply(text)
        elif name not in COMMANDS:
            raise ValueError(f"there is no command {short(name)}; the nearest are {nearest(name, COMMANDS)}.")
        elif COMMANDS[name][0] and not rest.strip() and name != "/system":
            raise ValueError(f"type: {name} {COMMANDS[name][0]}")
        else:
            getattr(self, f"_{name[1:]}")(rest.strip())

    def reply(self, text: str) -> None:
        from .stream import Printer

        printer = Printer(self.conversation.pipe.tokenizer)
        with interrupts() as stopped:
            found = self.conversation.ask(text, printer, stopped.is_set)
        if stopped.is_set():
            say("note", "stopped; what was said so far stays.")
        elif found.full:
            say("note", f"the reply was cut at {found.written} tokens.")
        if found.dropped:
            say("note", f"the {found.dropped} oldest messages were dropped: the model reads {self.conversation.limit}.")
        if self.stats:
            speed = found.written / max(found.seconds, 1e-9)
            say(
                "note",
                f"{found.written} tokens in {found.seconds:.1f} s, {speed:.1f} a second; "
                f"{found.read} before them, {found.known} of those already read.",
            )

    # ---------------------------------------------------------------------------------------------- commands

    def _reset(self, rest: str) -> None:
        self.conversation.reset()

    def _system(self, rest: str) -> None:
        self.conversation.set_system(rest)

    def _set(self, rest: str) -> None:
        name, _, value = rest.replace("=", " ", 1).partition(" ")
        if not value.strip():
            raise ValueError("type: /set NAME VALUE")
        print(clean(f"{name} = {self.conversation.set(name, value.strip())}"))

    def _show(self, rest: str) -> None:
        for name, value in sorted(vars(self.conversation.config).items()):
            print(clean(f"{name} = {value}"))
        for entry in self.conversation.messages:
            print(clean_lines(f"{entry['role']}: {entry['content']}"))

    def _save(self, rest: str) -> None:
        self.conversation.save(rest)
        print(clean(f"{len(self.conversation.messages)} messages written to {rest}"))

    def _load(self, rest: str) -> None:
        self.conversation.load(rest)
        print(clean(f"{len(self.conversation.messages)} messages read from {rest}"))

    def _undo(self, rest: str) -> None:
        print(clean_lines(f"taken back: {self.conversation.undo()}"))

    def _regenerate(self, rest: str) -> None:
        self.reply(self.conversation.undo())

    def _stats(self, rest: str) -> None:
        if rest not in ("on", "off"):
            raise ValueError("type: /stats on, or: /stats off")
        self.stats = rest == "on"

    def _help(self, rest: str) -> None:
        for name, (takes, does) in COMMANDS.items():
            print(f"{name + ' ' + takes:<18} {does}")
        print(f"A line that ends in \\ goes on in the next; so does everything between two {QUOTES}.")

    def _exit(self, rest: str) -> None:
        self.over = True


def message(line: Callable[[str], str]) -> str:
    """One message: a line, lines that end in \\ and the one after them, or what stands between two triple quotes.

    Args:
        line: gives the next line for a prompt. It raises EOFError at the end, which is passed on only if nothing was
            begun.
    """
    first = line("> ")
    quoted = first.lstrip().startswith(QUOTES)
    parts = [first.lstrip()[len(QUOTES) :] if quoted else first]
    try:
        while not parts[-1].rstrip().endswith(QUOTES) if quoted else parts[-1].endswith("\\"):
            parts.append(line(MORE))
    except EOFError:
        pass
    if quoted:
        return "\n".join(parts).rstrip().removesuffix(QUOTES).strip("\n")
    return "\n".join(part.removesuffix("\\") if i < len(parts) - 1 else part for i, part in enumerate(parts))


@contextmanager
def interrupts() -> Iterator[Event]:
    """Let Ctrl-C set an event, and only the second raise KeyboardInterrupt. In a pipe it ends at once."""
    asked = Event()

    def stop(*_: Any) -> None:
        if asked.is_set():
            raise KeyboardInterrupt
        asked.set()

    if not sys.stdin.isatty():
        yield asked
        return
    before = signal.signal(signal.SIGINT, stop)
    try:
        yield asked
    finally:
        signal.signal(signal.SIGINT, before)
