"""TensorBoard: the events of a run as scalars under `logs/`."""

from pathlib import Path

from web4mlx.events import Event, Step, Validation

SCALARS = ("loss", "learning_rate", "grad_norm", "tokens_per_second", "samples_per_second",
           "active_memory_bytes", "peak_memory_bytes", "process_memory_bytes")  # fmt: skip


class TensorBoard:
    """An event listener that writes scalars.

    Args:
        folder: Where the event files go.
        resumed_at: Step a resumed run starts from; later points of the earlier part are hidden.
    """

    def __init__(self, folder: Path, resumed_at: int = 0) -> None:
        from tensorboardX import SummaryWriter

        self._writer = SummaryWriter(str(folder), purge_step=resumed_at or None, flush_secs=10)

    def __call__(self, event: Event) -> None:
        """Write the numbers of one event."""
        if isinstance(event, Step):
            for name in SCALARS:
                self._writer.add_scalar(f"train/{name}", getattr(event, name), event.step)
        elif isinstance(event, Validation):
            self._writer.add_scalar("validation/loss", event.loss, event.step)

    def close(self) -> None:
        """Flush and close the file."""
        self._writer.close()


def read_scalars(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """Read the scalars of all event files of a folder: name → (step, value) in file order.

    Raises:
        ValueError: A file is damaged.
    """
    import struct

    from tensorboardX.proto.event_pb2 import Event as Record

    scalars: dict[str, list[tuple[int, float]]] = {}
    for file in sorted(folder.glob("events.out.tfevents.*")):
        data = file.read_bytes()
        at = 0
        while at < len(data):
            if at + 12 > len(data):
                raise ValueError(f"{file}: cut off at byte {at}")
            (length,) = struct.unpack_from("<Q", data, at)
            if at + 16 + length > len(data):
                raise ValueError(f"{file}: cut off at byte {at}")
            record = Record.FromString(data[at + 12 : at + 12 + length])
            for value in record.summary.value:
                scalars.setdefault(value.tag, []).append((record.step, value.simple_value))
            at += 16 + length
    return scalars
