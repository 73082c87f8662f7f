"""Processes in Python: multiprocessing, concurrent.futures, loky, mpire. The rows M1 to M7 of Benchmarks/README.md."""
import array
import multiprocessing as mp
import os
import statistics
import sys
import time
from concurrent.futures import ProcessPoolExecutor

clock = time.perf_counter


def identity(i):
    return i


def nothing():
    pass


def pid(_):
    time.sleep(0.001)
    return os.getpid()


def median(f):
    f()
    return statistics.median(f() for _ in range(5))


def timed(f):
    start = clock()
    f()
    return clock() - start


class Executor:
    """concurrent.futures.ProcessPoolExecutor, and loky's executor, which has the same calls."""

    def __init__(self, workers, make=None):
        self.pool = (make or (lambda n: ProcessPoolExecutor(n)))(workers)

    def many(self, items):
        return [f.result() for f in [self.pool.submit(identity, i) for i in items]]

    def chunks(self, items, size):
        return self.pool.map(identity, items, **({"chunksize": size} if size else {}))

    def one(self, f, x):
        return self.pool.submit(f, x).result()

    def close(self):
        self.pool.shutdown()


class Pool:
    """multiprocessing.Pool."""

    def __init__(self, workers):
        self.pool = mp.Pool(workers)

    def many(self, items):
        return [f.get() for f in [self.pool.apply_async(identity, (i,)) for i in items]]

    def chunks(self, items, size):
        # Only `map` chooses by itself.
        return self.pool.imap(identity, items, chunksize=size) if size else self.pool.map(identity, items)

    def one(self, f, x):
        return self.pool.apply(f, (x,))

    def close(self):
        self.pool.close()
        self.pool.join()


class Mpire:
    def __init__(self, workers):
        from mpire import WorkerPool
        self.pool = WorkerPool(n_jobs=workers, keep_alive=True)

    def many(self, items):
        return [f.get() for f in [self.pool.apply_async(identity, (i,)) for i in items]]

    def chunks(self, items, size):
        return self.pool.imap(identity, items, **({"chunk_size": size} if size else {}))

    def one(self, f, x):
        return self.pool.apply(f, (x,))

    def close(self):
        self.pool.stop_and_join()


def loky(workers):
    from loky import get_reusable_executor
    return Executor(workers, lambda n: get_reusable_executor(max_workers=n))


POOLS = {"executor": Executor, "pool": Pool, "loky": loky, "mpire": Mpire}


def produce(q, n, ready, go):
    ready.put(1)
    go.get()
    for i in range(n):
        q.put(i)


def consume(q, n, ready, go, sums):
    ready.put(1)
    go.get()
    sums.put(sum(q.get() for _ in range(n)))


def pipe_produce(c, n, ready, go):
    ready.put(1)
    go.get()
    for i in range(n):
        c.send(i)


def pipe_consume(c, n, ready, go, sums):
    ready.put(1)
    go.get()
    sums.put(sum(c.recv() for _ in range(n)))


def echo(there, back, n):
    for _ in range(n):
        back.put(there.get())


def pipe_echo(c, n):
    for _ in range(n):
        c.send(c.recv())


def traffic(kind, n, p, c):
    ready, go, sums = mp.SimpleQueue(), mp.SimpleQueue(), mp.SimpleQueue()
    if kind == "pipe":
        a, b = mp.Pipe(False)
        ps = [mp.Process(target=pipe_produce, args=(b, n, ready, go)), mp.Process(target=pipe_consume, args=(a, n, ready, go, sums))]
    else:
        q = mp.Queue(1024) if kind == "queue" else mp.SimpleQueue()
        ps = [mp.Process(target=produce, args=(q, n // p, ready, go)) for _ in range(p)]
        ps += [mp.Process(target=consume, args=(q, n // c, ready, go, sums)) for _ in range(c)]
    for x in ps:
        x.start()
    for _ in ps:
        ready.get()
    start = clock()
    for _ in ps:
        go.put(1)
    total = sum(sums.get() for _ in range(c))
    t = clock() - start
    each = n // p
    assert total == p * (each * (each - 1) // 2)
    for x in ps:
        x.join()
    return p * each / t


def echoes(kind, n, message=None):
    if kind == "pipe":
        a, b = mp.Pipe()
        put, get = a.send, a.recv
        x = mp.Process(target=pipe_echo, args=(b, 6 * n))
    else:
        make = (lambda: mp.Queue(1)) if kind == "queue" else mp.SimpleQueue
        there, back = make(), make()
        put, get = there.put, back.get
        x = mp.Process(target=echo, args=(there, back, 6 * n))
    x.start()

    def rep():
        start = clock()
        for i in range(n):
            sent = i if message is None else message
            put(sent)
            got = get()
            assert got == sent if message is None else len(got) == len(sent)
        return n / (clock() - start)
    r = median(rep)
    x.join()
    return r


def idle_pids(pool, workers):
    """The workers of a pool that has worked, and has nothing to do."""
    pids = set()
    while len(pids) < workers:
        p = pool.pool
        calls = [p.submit(pid, None) if hasattr(p, "submit") else p.apply_async(pid, (None,)) for _ in range(4 * workers)]
        pids.update(c.result() if hasattr(c, "result") else c.get() for c in calls)
    time.sleep(0.5)
    return pids


def status(path, words):
    total = 0
    with open(path) as f:
        for line in f:
            if line.startswith(words):
                total += int(line.split()[1])
    return total


def switches(p):
    return sum(status(f"/proc/{p}/task/{t}/status", ("voluntary_ctxt_switches",)) for t in os.listdir(f"/proc/{p}/task"))


ROWS = []
for v in POOLS:
    ROWS += [
        ("M1/submit", v, 2, 5000, "calls/s"), ("M1/chunk1", v, 2, 5000, "calls/s"), ("M1/chunk10", v, 2, 50000, "calls/s"),
        ("M1/chunk100", v, 2, 200000, "calls/s"), ("M1/auto", v, 2, 200000 if v in ("pool", "mpire") else 5000, "calls/s"),
        ("M2", v, 2, 500, "us p50"), ("M3", v, 2, 3, "ms"), ("M7/wakeups", v, 2, 0, "wake-ups/s"), ("M7/memory", v, 2, 0, "MB"),
    ]
for v in ("queue", "simplequeue", "pipe"):
    ROWS.append(("M4/1p1c", v, 2, 50000, "msg/s"))
    if v != "pipe":
        ROWS.append(("M4/4p4c", v, 8, 50000, "msg/s"))
    ROWS.append(("M5", v, 2, 3000, "round trips/s"))
for size in (16, 60, 70, 120, 200, 1000):
    ROWS.append((f"M5/{size}KB", "pipe", 2, 2000 if size < 500 else 500, "round trips/s"))
ROWS += [("M6/spawn", "process", 1, 10, "ms"), ("M6/forkserver", "process", 1, 10, "ms"), ("M6/fork", "process", 1, 10, "ms")]
ROWS += [("M6/forkserver-2GB", "process", 1, 10, "ms")]


def run(w, v, t, n):
    if w.startswith("M1/"):
        pool = POOLS[v](t)

        def rep():
            start = clock()
            results = pool.many(range(n)) if w == "M1/submit" else pool.chunks(range(n), None if w == "M1/auto" else int(w[8:]))
            assert sum(results) == n * (n - 1) // 2
            return n / (clock() - start)
        r = median(rep)
        pool.close()
        return r
    if w == "M2":
        pool = POOLS[v](t)

        def rep():
            return statistics.median(timed(lambda: pool.one(identity, 1)) for _ in range(n)) * 1e6
        r = median(rep)
        pool.close()
        return r
    if w == "M3":
        pool = POOLS[v](t)
        numbers = array.array("d", range(1000000))

        def rep():
            return timed(lambda: [pool.one(identity, numbers) for _ in range(n)]) / n * 1e3
        r = median(rep)
        pool.close()
        return r
    if w.startswith("M4/"):
        return median(lambda: traffic(v, n, int(w[3]), int(w[5])))
    if w == "M5":
        return echoes(v, n)
    if w.startswith("M5/"):
        return echoes(v, n, bytes([7]) * int(w[3:-2]) * 1000)
    if w.startswith("M6/"):
        context = mp.get_context(w[3:].removesuffix("-2GB"))
        memory = bytearray(b"\1") * (2 << 30 if w.endswith("2GB") else 1)

        def start():
            p = context.Process(target=nothing)
            p.start()
            p.join()
        start()
        return median(lambda: statistics.median(timed(start) for _ in range(n)) * 1e3)
    pool = POOLS[v](t)
    pids = idle_pids(pool, t)
    if w == "M7/wakeups":
        before = {p: switches(p) for p in pids}
        time.sleep(2)
        r = sum(switches(p) - before[p] for p in pids) / 2
    else:
        r = sum(status(f"/proc/{p}/smaps_rollup", ("Private_Clean", "Private_Dirty")) for p in pids) / 1024 / len(pids)
    pool.close()
    return r


def available(v):
    if v in ("loky", "mpire"):
        try:
            __import__(v)
        except ImportError:
            return False
    return True


def main():
    a = sys.argv[1:]
    if not a or a[0] == "list":
        for r in ROWS:
            if available(r[1]):
                print(f"{r[0]}:{r[1]}", r[2])
        return
    row = next(r for r in ROWS if f"{r[0]}:{r[1]}" == a[0] and (len(a) < 2 or r[2] == int(a[1])))
    n = int(a[2]) if len(a) > 2 else row[3]
    print(f"{row[0]}\tpython-{row[1]}\t{row[2]}\t{run(row[0], row[1], row[2], n):.6f}\t{row[4]}\t")


if __name__ == "__main__":
    main()
