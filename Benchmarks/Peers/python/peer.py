"""Python peer: threading, queue, concurrent.futures, multiprocessing. See Benchmarks/README.md.

The GIL is on, so the spin work is 1 step inside and 5 outside a critical section
instead of 12 and 64: the numbers say what Python code gets, not what its locks cost.
"""
import array
import math
import multiprocessing as mp
import queue
import statistics
import sys
import threading as th
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

clock = time.perf_counter


def median(f):
    f()
    v = sorted((f() for _ in range(5)), key=lambda o: o[0])
    return v[2]


def ns_per(n, f):
    t = clock()
    f()
    return (clock() - t) / n * 1e9, ""


def per_s(n, f):
    t = clock()
    f()
    return n / (clock() - t), ""


def team(t, f):
    ts = [th.Thread(target=f, args=(i,)) for i in range(t)]
    for x in ts:
        x.start()
    for x in ts:
        x.join()


def step(x, n):
    for _ in range(n):
        x = (x ^ x << 13) & 0xFFFFFFFFFFFFFFFF
        x ^= x >> 7
        x = (x ^ x << 17) & 0xFFFFFFFFFFFFFFFF
    return x


def contend(t, op):
    stop, c = [False], [0] * t

    def body(i):
        x, n = 88172645463325252 + i, 0
        while not stop[0]:
            x = op(x)
            n += 1
        c[i] = n

    th.Timer(0.2, lambda: stop.__setitem__(0, True)).start()
    s = clock()
    team(t, body)
    sec = clock() - s
    return sum(c) / sec, "share min %.2f max %.2f" % (min(c) * t / sum(c), max(c) * t / sum(c))


def traffic(n, p, c, put, get):
    n = n // (p * c) * (p * c)
    sums = [0] * c

    def body(i):
        if i < c:
            s = 0
            for _ in range(n // c):
                s += get()
            sums[i] = s
        else:
            for k in range(n // p):
                put(k)

    r = per_s(n, lambda: team(p + c, body))
    k = n // p
    assert sum(sums) == p * (k * (k - 1) // 2)
    return r


def mandel_row(y):
    ci, total = -1.5 + 3.0 * y / 1024, 0
    for x in range(1024):
        cr, zr, zi, i = -2.0 + 3.0 * x / 1024, 0.0, 0.0, 0
        while i < 500 and zr * zr + zi * zi <= 4.0:
            zr, zi = zr * zr - zi * zi + cr, 2 * zr * zi + ci
            i += 1
        total += i
    return total


DATA = None


def sum_part(r):
    return sum(map(math.sqrt, DATA[r[0]:r[1]]))


def ident(i):
    return i


ROWS = [
    ("L1:lock", 1, 1000000, "ns/op"), ("L2:lock", 2, 0, "ops/s"), ("L2:lock", 4, 0, "ops/s"), ("L2:lock", 8, 0, "ops/s"),
    ("L3:rlock", 1, 500000, "ns/op"), ("C1:condition", 2, 1500, "round trips/s"),
    ("S1:semaphore", 1, 200000, "ns/op"), ("S2:semaphore", 4, 0, "ops/s"),
    ("B1:barrier", 2, 1500, "crossings/s"), ("B1:barrier", 4, 1000, "crossings/s"), ("E1:event", 2, 1500, "round trips/s"),
] + [
    (f"Q1/{cap}/{top}:queue", t, n, "msg/s")
    for cap, n in ((1, 2000), (64, 40000), (1024, 40000))
    for top, t in (("1p1c", 2), ("4p4c", 8), ("1p4c", 5), ("4p1c", 5))
] + [
    ("Q2/1p1c:simplequeue", 2, 200000, "msg/s"), ("Q2/4p4c:simplequeue", 8, 200000, "msg/s"),
    ("Q3:queue", 2, 1500, "round trips/s"), ("Q3:simplequeue", 2, 1500, "round trips/s"), ("Q4:queue", 2, 100000, "msg/s"),
    ("T1:thread", 1, 1000, "threads/s"), ("P1:threadpool", 2, 20000, "tasks/s"), ("P1b:threadpool", 2, 20000, "tasks/s"),
    ("P2:threadpool", 2, 2000, "us p50"), ("P2:processpool", 2, 500, "us p50"),
    ("P4:mp-pool", 2, 20000000, "ms"), ("P5:mp-pool", 2, 32, "ms"), ("P6:threadpool", 8, 1000, "ms"),
]


def run(w, v, t, n):
    global DATA
    rng = range(n)
    if w == "L1":
        m = th.Lock()

        def loop():
            for _ in rng:
                m.acquire()
                m.release()
        return median(lambda: ns_per(n, loop))
    if w == "L2":
        m, d = th.Lock(), [0]

        def op(x):
            with m:
                d[0] += 1
                x = step(x, 1)
            return step(x, 5)
        return median(lambda: contend(t, op))
    if w == "L3":
        m = th.RLock()

        def loop():
            for _ in rng:
                m.acquire(), m.acquire(), m.release(), m.release()
        return median(lambda: ns_per(n, loop))
    if w == "C1":
        def rep():
            m = th.Lock()
            c, turn = [th.Condition(m), th.Condition(m)], [0]

            def side(me):
                for _ in rng:
                    with m:
                        while turn[0] != me:
                            c[me].wait()
                        turn[0] = 1 - me
                        c[1 - me].notify()
            return per_s(n, lambda: team(2, side))
        return median(rep)
    if w == "S1":
        s = th.Semaphore(1)

        def loop():
            for _ in rng:
                s.acquire()
                s.release()
        return median(lambda: ns_per(n, loop))
    if w == "S2":
        s = th.Semaphore(2)

        def op(x):
            with s:
                x = step(x, 1)
            return step(x, 5)
        return median(lambda: contend(t, op))
    if w == "B1":
        def rep():
            b = th.Barrier(t)
            return per_s(n, lambda: team(t, lambda _: [b.wait() for _ in rng]))
        return median(rep)
    if w == "E1":
        def rep():
            e = [th.Event(), th.Event()]

            def side(me):
                for _ in rng:
                    if me == 0:
                        e[1].set()
                    e[me].wait()
                    e[me].clear()
                    if me == 1:
                        e[0].set()
            return per_s(n, lambda: team(2, side))
        return median(rep)
    if w[:3] in ("Q1/", "Q2/"):
        *_, top = part = w.split("/")

        def rep():
            q = queue.Queue(int(part[1])) if w[1] == "1" else queue.SimpleQueue()
            return traffic(n, int(top[0]), int(top[2]), q.put, q.get)
        return median(rep)
    if w == "Q3":
        def rep():
            a, b = (queue.Queue(1), queue.Queue(1)) if v == "queue" else (queue.SimpleQueue(), queue.SimpleQueue())

            def side(me):
                for k in rng:
                    if me == 0:
                        a.put(k)
                        assert b.get() == k
                    else:
                        b.put(a.get())
            return per_s(n, lambda: team(2, side))
        return median(rep)
    if w == "Q4":
        def rep():
            q = queue.Queue(1024)
            return traffic(n, 1, 1, lambda x: q.put([x]), lambda: q.get()[0])
        return median(rep)
    if w == "T1":
        def loop():
            for _ in rng:
                x = th.Thread(target=int)
                x.start()
                x.join()
        return median(lambda: per_s(n, loop))
    if w == "P1":
        def rep():
            with ThreadPoolExecutor(t) as p:
                def body():
                    for _ in rng:
                        p.submit(int)
                    p.shutdown(wait=True)
                return per_s(n, body)
        return median(rep)
    if w == "P1b":
        with ThreadPoolExecutor(t) as p:
            def body():
                fs = [p.submit(ident, i) for i in rng]
                assert sum(f.result() for f in fs) == n * (n - 1) // 2
            return median(lambda: per_s(n, body))
    if w == "P2":
        with (ThreadPoolExecutor if v == "threadpool" else ProcessPoolExecutor)(t) as p:
            def rep():
                lat = []
                for i in rng:
                    s = clock()
                    assert p.submit(ident, i).result() == i
                    lat.append((clock() - s) * 1e6)
                return statistics.median(lat), ""
            return median(rep)
    if w == "P4":
        DATA = array.array("d", map(float, rng))
        parts = [(n * i // (4 * t), n * (i + 1) // (4 * t)) for i in range(4 * t)]
        with mp.get_context("fork").Pool(t) as p:
            def rep():
                s = clock()
                s1 = sum_part((0, n))
                ms1 = (clock() - s) * 1e3
                s = clock()
                s2 = sum(p.imap_unordered(sum_part, parts))
                ms = (clock() - s) * 1e3
                assert abs(s1 - s2) < 1e-6 * s1
                return ms, "serial %.0f ms, x%.2f" % (ms1, ms1 / ms)
            return median(rep)
    if w == "P5":
        # every (1024/n)-th row, time scaled to 1024 rows
        rows = range(0, 1024, 1024 // n)
        with mp.get_context("fork").Pool(t) as p:
            def rep():
                s = clock()
                sum(p.imap_unordered(mandel_row, rows))
                return (clock() - s) * 1e3 * 1024 / n, f"scaled from {n} rows"
            return median(rep)
    if w == "P6":
        def rep():
            with ThreadPoolExecutor(t) as p:
                s = clock()
                list(p.map(time.sleep, [0.001] * n))
                return (clock() - s) * 1e3, ""
        return median(rep)
    raise SystemExit("no such row")


def main():
    a = sys.argv[1:]
    if not a or a[0] == "list":
        for r in ROWS:
            print(r[0], r[1])
        return
    found = [r for r in ROWS if r[0] == a[0]]
    if not found:
        raise SystemExit("unknown workload; try: list")
    row = next((r for r in found if len(a) > 1 and r[1] == int(a[1])), found[0])
    t = int(a[1]) if len(a) > 1 else row[1]
    n = int(a[2]) if len(a) > 2 else row[2]
    w, v = row[0].split(":")
    value, note = run(w, v, t, n)
    print(f"{w}\tpython-{v}\t{t}\t{value:.6f}\t{row[3]}\t{note}")


if __name__ == "__main__":
    main()
