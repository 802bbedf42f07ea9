"""Running a program as if nobody looked: its arguments, path, streams, tracebacks and exit status are its own."""
from __future__ import annotations

import importlib.machinery
import importlib.util
import io
import os
import sys
import threading
import traceback
import types
from typing import Any, Callable, List, Optional, Set

OURS = {"demos", "reactor", "protocols", "tests"}  # packages that the program shall find only on its own path
HOUSE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))  # demos/


class NoSuchProgram(Exception):
    """It cannot be run; says why, in one line."""


def look_for(name: str, module: bool) -> None:
    """Raises NoSuchProgram where no file, or no module, of that name is there; nothing of it runs."""
    if not module:
        _source(name)
        return
    ours, sys.path[0] = sys.path[0], os.getcwd()
    try:
        there = importlib.util.find_spec(name.partition(".")[0])
    except ValueError:
        there = None
    finally:
        sys.path[0] = ours
    if there is None:
        raise NoSuchProgram(f"no module {name} is there to run")


def _source(path: str) -> bytes:
    try:
        with io.open_code(os.path.abspath(path)) as file:
            return bytes(file.read())
    except OSError as exc:
        raise NoSuchProgram(f"cannot read {path}: {exc.strerror}") from None


def run_script(path: str) -> None:
    """Run a file as `python3 path` does; whatever it raises comes out."""
    source = _source(path)
    name = os.path.abspath(path)
    sys.path[0] = os.path.dirname(os.path.realpath(path))
    module = _main(name, importlib.machinery.SourceFileLoader("__main__", name), None)
    exec(compile(source, name, "exec", dont_inherit=True), module.__dict__)


def run_module(name: str) -> None:
    """Run a module as `python3 -m name` does."""
    sys.path[0] = os.getcwd()
    spec: Any = None
    try:
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.submodule_search_locations is not None:
            spec = importlib.util.find_spec(f"{name}.__main__")
        code = spec and spec.loader.get_code(spec.name)
    except (ImportError, ValueError) as exc:
        raise NoSuchProgram(f"no module {name}: {exc}") from None
    if not code:
        raise NoSuchProgram(f"no module {name} is there to run")
    sys.argv[0] = spec.origin
    exec(code, _main(spec.origin, spec.loader, spec).__dict__)


def _main(path: str, loader: Any, spec: Any) -> types.ModuleType:
    for name in [name for name in sys.modules if name.partition(".")[0] in OURS]:
        del sys.modules[name]
    module = types.ModuleType("__main__")
    module.__file__ = path
    module.__loader__ = loader
    module.__spec__ = spec
    module.__package__ = spec.parent if spec else None
    module.__dict__.update(__builtins__=sys.modules["builtins"], __cached__=spec.cached if spec else None)
    if sys.version_info < (3, 14):
        module.__dict__.setdefault("__annotations__", {})
    sys.modules["__main__"] = module
    return module


# -- tracebacks in which we do not show

def keep_out_of_tracebacks(ended: Callable[[BaseException], object]) -> None:
    """Leave our frames out of every traceback, whoever prints it; `ended` hears of what nobody caught."""
    init = traceback.TracebackException.__init__

    def without_us(self: Any, kind: Any, exc: Any, tb: Any, *args: Any, **kwargs: Any) -> None:
        init(self, kind, exc, trimmed(tb), *args, **kwargs)
    setattr(traceback.TracebackException, "__init__", without_us)
    shown, shown_of_a_thread = sys.excepthook, threading.excepthook

    def excepthook(kind: Any, exc: BaseException, tb: Any) -> None:
        trim(exc)
        ended(exc)
        shown(kind, exc, exc.__traceback__)

    def thread_excepthook(args: Any) -> None:
        if args.exc_value is not None:
            trim(args.exc_value)
        shown_of_a_thread(threading.ExceptHookArgs(
            (args.exc_type, args.exc_value, trimmed(args.exc_traceback), args.thread)))
    sys.excepthook = excepthook
    threading.excepthook = thread_excepthook


def trim(exc: Optional[BaseException], seen: Optional[Set[int]] = None) -> None:
    """Take our frames out of an exception, and out of those that it came from."""
    seen = set() if seen is None else seen
    if exc is not None and id(exc) not in seen:
        seen.add(id(exc))
        exc.__traceback__ = trimmed(exc.__traceback__)
        trim(exc.__cause__, seen)
        trim(exc.__context__, seen)


def trimmed(tb: Optional[types.TracebackType]) -> Optional[types.TracebackType]:
    """A traceback without our frames, and without those that led to the program."""
    frames: List[types.TracebackType] = []
    while tb is not None:
        if tb.tb_frame.f_code.co_filename == __file__ and tb.tb_frame.f_code.co_name == "run_script":
            frames = []
        elif not _is_ours(tb.tb_frame.f_code.co_filename):
            frames.append(tb)
        tb = tb.tb_next
    for one in reversed(frames):
        tb = types.TracebackType(tb, one.tb_frame, one.tb_lasti, one.tb_lineno)
    return tb


def _is_ours(filename: str) -> bool:
    return filename.startswith(os.path.join(HOUSE, "xray")) or filename == os.path.join(HOUSE, "hostile.py")
