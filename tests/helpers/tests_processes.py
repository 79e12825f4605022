"""Several processes on this machine as `torchrun` would start them, without its seconds of starting up."""

import multiprocessing
import os
import socket
import traceback

IMPORTED_ONCE = ["asr.training.experiment", "asr.training.step.update", "torch.utils.tensorboard", "torch._dynamo"]


def together(size, function, *arguments, seconds=120, **options):
    """Call `function` in `size` processes of one world and return what each returned, by rank.

    An exception comes back as the value. The function must live in a module that other processes can import.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(IMPORTED_ONCE)
    queue, port = context.Queue(), free_port()
    processes = [
        context.Process(target=_run, args=(queue, rank, size, port, function, arguments, options), daemon=True)
        for rank in range(size)
    ]
    for process in processes:
        process.start()
    try:
        return [value for _, value in sorted(queue.get(timeout=seconds) for _ in processes)]
    finally:
        for process in processes:
            process.join(timeout=5)
            process.kill()


def free_port():
    """A port of this machine that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def _run(queue, rank, size, port, function, arguments, options):
    os.environ.update(
        RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE=str(size), MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port)
    )
    try:
        value = function(*arguments, **options)
    except Exception as error:
        traceback.print_exc()
        value = error
    queue.put((rank, value))
