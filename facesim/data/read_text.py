"""Reading untrusted text files."""

from pathlib import Path

from facesim.errors import DataError


def read_text(path: Path) -> str:
    """Read a UTF-8 file; a byte-order mark is removed, line ends stay as they are.

    Raises:
        DataError: it cannot be read, or it is not UTF-8 text; the text names the line.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise DataError(f"{path}:{line}: not UTF-8 ({error.reason}); save it as UTF-8") from error
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise DataError(f"{path}:{line}: a zero byte; this is not text, or it is UTF-16")
    return text
