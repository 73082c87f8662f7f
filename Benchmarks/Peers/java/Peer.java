// Java 17 peer: java.util.concurrent. See Benchmarks/README.md for the workloads.
import java.util.ArrayList;
import java.util.Arrays;
import java.util.concurrent.*;
import java.util.concurrent.atomic.*;
import java.util.concurrent.locks.*;
import java.util.function.*;
import java.util.stream.IntStream;

public final class Peer {
    record Out(double v, String note) {}
    interface Body { void run() throws Exception; }
    interface Member { void run(int i) throws Exception; }
    interface Send { void put(Long x) throws Exception; }
    interface Recv { Long take() throws Exception; }

    static long spin(long x, int n) {
        for (int i = 0; i < n; i++) { x ^= x << 13; x ^= x >>> 7; x ^= x << 17; }
        return x;
    }
    static long seed(int i) { return 88172645463325252L + i; }
    static volatile long sink;

    /** 3 warm-ups (the JIT needs them) + 5 repetitions, median by value. */
    static Out median(Callable<Out> f) throws Exception {
        for (int i = 0; i < 3; i++) f.call();
        var v = new ArrayList<Out>();
        for (int i = 0; i < 5; i++) v.add(f.call());
        v.sort((a, b) -> Double.compare(a.v, b.v));
        return v.get(2);
    }
    static Out nsPer(long n, Body f) throws Exception {
        long t = System.nanoTime();
        f.run();
        return new Out((System.nanoTime() - t) / (double) n, "");
    }
    static Out perS(long n, Body f) throws Exception {
        long t = System.nanoTime();
        f.run();
        return new Out(n / ((System.nanoTime() - t) / 1e9), "");
    }
    static Out ms(Body f) throws Exception {
        long t = System.nanoTime();
        f.run();
        return new Out((System.nanoTime() - t) / 1e6, "");
    }
    static void check(boolean ok, String what) { if (!ok) throw new IllegalStateException("wrong result: " + what); }
    static void team(int t, Member f) throws Exception {
        var th = new Thread[t];
        for (int i = 0; i < t; i++) {
            int k = i;
            th[i] = new Thread(() -> { try { f.run(k); } catch (Exception e) { throw new RuntimeException(e); } });
            th[i].start();
        }
        for (var x : th) x.join();
    }
    static volatile boolean stop;
    static Out contend(int t, LongUnaryOperator op) throws Exception {
        stop = false;
        var c = new long[t];
        long start = System.nanoTime();
        var timer = new Thread(() -> { try { Thread.sleep(200); } catch (InterruptedException e) { } stop = true; });
        timer.start();
        team(t, i -> {
            long x = seed(i), n = 0;
            while (!stop) { x = op.applyAsLong(x); n++; }
            sink = x;
            c[i] = n;
        });
        double sec = (System.nanoTime() - start) / 1e9;
        timer.join();
        double sum = Arrays.stream(c).sum();
        return new Out(sum / sec, String.format("share min %.2f max %.2f",
            Arrays.stream(c).min().getAsLong() * t / sum, Arrays.stream(c).max().getAsLong() * t / sum));
    }
    static Out traffic(int want, int p, int c, Send send, Recv recv) throws Exception {
        var total = new AtomicLong();
        int n = want / (p * c) * (p * c);
        Out r = perS(n, () -> team(p + c, i -> {
            if (i < c) {
                long s = 0;
                for (int k = 0; k < n / c; k++) s += recv.take();
                total.addAndGet(s);
            } else for (int k = 0; k < n / p; k++) send.put((long) k);
        }));
        long k = n / p;
        check(total.get() == p * (k * (k - 1) / 2), "traffic");
        return r;
    }
    static final class Fib extends RecursiveTask<Long> {
        final int n;
        Fib(int n) { this.n = n; }
        @Override protected Long compute() {
            if (n < 2) return (long) n;
            var a = new Fib(n - 1);
            a.fork();
            long b = new Fib(n - 2).compute();
            return a.join() + b;
        }
    }
    static double joins(int n) {
        double a = 0, b = 0;
        for (int i = 1; i < n; i++) { double c = a + b + 1; a = b; b = c; }
        return b;
    }
    static long mandelRow(int y) {
        double ci = -1.5 + 3.0 * y / 1024;
        long sum = 0;
        for (int x = 0; x < 1024; x++) {
            double cr = -2.0 + 3.0 * x / 1024, zr = 0, zi = 0;
            int i = 0;
            for (; i < 500 && zr * zr + zi * zi <= 4.0; i++) { double q = zr * zr - zi * zi + cr; zi = 2 * zr * zi + ci; zr = q; }
            sum += i;
        }
        return sum;
    }
    static double sumPart(double[] a, int from, int to) {
        double s = 0;
        for (int i = from; i < to; i++) s += Math.sqrt(a[i]);
        return s;
    }
    static final class SumTask extends RecursiveTask<Double> {
        final double[] a; final int from, to;
        SumTask(double[] a, int from, int to) { this.a = a; this.from = from; this.to = to; }
        @Override protected Double compute() {
            if (to - from <= 100_000) return sumPart(a, from, to);
            int mid = (from + to) >>> 1;
            var r = new SumTask(a, mid, to);
            r.fork();
            return new SumTask(a, from, mid).compute() + r.join();
        }
    }
    static double p50(double[] v) { Arrays.sort(v); return v[v.length / 2]; }

    record Row(String w, int t, int n, String unit) {}
    static final ArrayList<Row> rows = new ArrayList<>();
    static void row(String w, int t, int n, String unit) { rows.add(new Row(w, t, n, unit)); }
    static void queueRows(String v, int n1, int n64, int n1k) {
        String[] top = {"1p1c", "4p4c", "1p4c", "4p1c"};
        int[] th = {2, 8, 5, 5};
        for (int i = 0; i < 4; i++) row("Q1/1/" + top[i] + ":" + v, th[i], n1, "msg/s");
        for (int i = 0; i < 4; i++) row("Q1/64/" + top[i] + ":" + v, th[i], n64, "msg/s");
        for (int i = 0; i < 4; i++) row("Q1/1024/" + top[i] + ":" + v, th[i], n1k, "msg/s");
    }
    static {
        row("L1:reentrant", 1, 10_000_000, "ns/op"); row("L1:synchronized", 1, 10_000_000, "ns/op");
        for (int t : new int[] {2, 4, 8}) { row("L2:reentrant", t, 0, "ops/s"); row("L2:synchronized", t, 0, "ops/s"); }
        row("L3:reentrant", 1, 5_000_000, "ns/op");
        row("R1:rrwlock", 4, 0, "ops/s"); row("R1:stamped", 4, 0, "ops/s"); row("R2:rrwlock", 4, 0, "ops/s"); row("R2:stamped", 4, 0, "ops/s");
        row("C1:reentrant", 2, 2_000, "round trips/s"); row("C1:synchronized", 2, 2_000, "round trips/s");
        row("S1:semaphore", 1, 10_000_000, "ns/op"); row("S2:semaphore", 4, 0, "ops/s");
        row("B1:cyclicbarrier", 2, 3_000, "crossings/s"); row("B1:cyclicbarrier", 4, 3_000, "crossings/s");
        row("B1:phaser", 2, 20_000, "crossings/s"); row("B1:phaser", 4, 3_000, "crossings/s");
        row("E1:park", 2, 3_000, "round trips/s"); row("E1:exchanger", 2, 20_000, "round trips/s");
        queueRows("abq", 3_000, 150_000, 500_000);
        queueRows("lbq", 3_000, 150_000, 500_000);
        row("Q2/1p1c:ltq", 2, 1_000_000, "msg/s"); row("Q2/4p4c:ltq", 8, 1_000_000, "msg/s");
        row("Q2/1p1c:lbq", 2, 1_000_000, "msg/s"); row("Q2/4p4c:lbq", 8, 1_000_000, "msg/s");
        row("Q3:abq", 2, 2_000, "round trips/s"); row("Q3:ltq", 2, 2_000, "round trips/s"); row("Q3:sync", 2, 2_000, "round trips/s");
        row("Q4:abq", 2, 1_000_000, "msg/s"); row("T1:thread", 1, 1_000, "threads/s");
        row("P1:forkjoin", 2, 1_000_000, "tasks/s"); row("P1:fixed", 2, 1_000_000, "tasks/s");
        row("P1b:forkjoin", 2, 300_000, "tasks/s"); row("P1b:fixed", 2, 200_000, "tasks/s");
        row("P2:forkjoin", 2, 2_000, "us p50"); row("P2:fixed", 2, 3_000, "us p50");
        row("P3:forkjoin", 2, 32, "joins/s"); row("P4:forkjoin", 2, 20_000_000, "ms");
        row("P5:forkjoin", 2, 1024, "ms"); row("P9/0ms:forkjoin", 2, 2000, "us p50"); row("P9/1ms:forkjoin", 2, 300, "us p50"); row("P6:fixed", 8, 1000, "ms");
    }

    static Out queue(String w, String v, int n) throws Exception {
        String[] part = w.split("/");
        String top = part[part.length - 1];
        int p = top.charAt(0) - '0', c = top.charAt(2) - '0';
        int cap = part.length == 3 ? Integer.parseInt(part[1]) : Integer.MAX_VALUE;
        return median(() -> {
            BlockingQueue<Long> q = switch (v) {
                case "abq" -> new ArrayBlockingQueue<>(cap);
                case "lbq" -> new LinkedBlockingQueue<>(cap);
                default -> new LinkedTransferQueue<>();
            };
            return traffic(n, p, c, q::put, q::take);
        });
    }
    static Out run(String w, String v, int t, int n) throws Exception {
        if (w.startsWith("Q1/") || w.startsWith("Q2/")) return queue(w, v, n);
        switch (w + ":" + v) {
            case "L1:reentrant": return median(() -> {
                var m = new ReentrantLock();
                var x = new long[1];
                return nsPer(n, () -> { for (int i = 0; i < n; i++) { m.lock(); try { x[0]++; } finally { m.unlock(); } } });
            });
            case "L1:synchronized": return median(() -> {
                var x = new long[1];
                var o = new Object[] {new Object()};
                return nsPer(n, () -> { for (int i = 0; i < n; i++) synchronized (o[0]) { x[0]++; } });
            });
            case "L2:reentrant": return median(() -> {
                var m = new ReentrantLock();
                var d = new long[1];
                return contend(t, x -> { m.lock(); d[0]++; x = spin(x, 12); m.unlock(); return spin(x, 64); });
            });
            case "L2:synchronized": return median(() -> {
                var d = new long[1];
                return contend(t, x -> { synchronized (d) { d[0]++; x = spin(x, 12); } return spin(x, 64); });
            });
            case "L3:reentrant": return median(() -> {
                var m = new ReentrantLock();
                var x = new long[1];
                return nsPer(n, () -> { for (int i = 0; i < n; i++) { m.lock(); m.lock(); x[0]++; m.unlock(); m.unlock(); } });
            });
            case "R1:rrwlock", "R2:rrwlock": return median(() -> {
                boolean often = w.equals("R1"); int every = often ? 20 : 1000, inside = often ? 12 : 2, outside = often ? 64 : 4;
                var m = new ReentrantReadWriteLock();
                Lock r = m.readLock(), wl = m.writeLock();
                var d = new long[1];
                return contend(t, x -> {
                    if (Long.remainderUnsigned(x, every) == 0) { wl.lock(); d[0]++; wl.unlock(); }
                    else { r.lock(); x = spin(x ^ (d[0] & 1), inside); r.unlock(); }
                    return spin(x, outside);
                });
            });
            case "R1:stamped", "R2:stamped": return median(() -> {
                boolean often = w.equals("R1"); int every = often ? 20 : 1000, inside = often ? 12 : 2, outside = often ? 64 : 4;
                var m = new StampedLock();
                var d = new long[1];
                return contend(t, x -> {
                    if (Long.remainderUnsigned(x, every) == 0) { long s = m.writeLock(); d[0]++; m.unlockWrite(s); }
                    else { long s = m.readLock(); x = spin(x ^ (d[0] & 1), inside); m.unlockRead(s); }
                    return spin(x, outside);
                });
            });
            case "C1:reentrant": return median(() -> {
                var m = new ReentrantLock();
                Condition[] c = {m.newCondition(), m.newCondition()};
                var turn = new int[1];
                return perS(n, () -> team(2, me -> {
                    for (int i = 0; i < n; i++) {
                        m.lock();
                        while (turn[0] != me) c[me].await();
                        turn[0] = 1 - me;
                        c[1 - me].signal();
                        m.unlock();
                    }
                }));
            });
            case "C1:synchronized": return median(() -> {
                var turn = new int[1];
                return perS(n, () -> team(2, me -> {
                    for (int i = 0; i < n; i++) synchronized (turn) {
                        while (turn[0] != me) turn.wait();
                        turn[0] = 1 - me;
                        turn.notify();
                    }
                }));
            });
            case "S1:semaphore": return median(() -> {
                var s = new Semaphore(1);
                return nsPer(n, () -> { for (int i = 0; i < n; i++) { s.acquire(); s.release(); } });
            });
            case "S2:semaphore": return median(() -> {
                var s = new Semaphore(2);
                return contend(t, x -> { s.acquireUninterruptibly(); x = spin(x, 12); s.release(); return spin(x, 64); });
            });
            case "B1:cyclicbarrier": return median(() -> {
                var b = new CyclicBarrier(t);
                return perS(n, () -> team(t, i -> { for (int k = 0; k < n; k++) b.await(); }));
            });
            case "B1:phaser": return median(() -> {
                var b = new Phaser(t);
                return perS(n, () -> team(t, i -> { for (int k = 0; k < n; k++) b.arriveAndAwaitAdvance(); }));
            });
            case "E1:park": return median(() -> {
                var f = new AtomicBoolean[] {new AtomicBoolean(), new AtomicBoolean()};
                var th = new AtomicReferenceArray<Thread>(2);
                return perS(n, () -> team(2, me -> {
                    th.set(me, Thread.currentThread());
                    while (th.get(1 - me) == null) Thread.onSpinWait();
                    for (int k = 0; k < n; k++) {
                        if (me == 0) { f[1].set(true); LockSupport.unpark(th.get(1)); }
                        while (!f[me].getAndSet(false)) LockSupport.park();
                        if (me == 1) { f[0].set(true); LockSupport.unpark(th.get(0)); }
                    }
                }));
            });
            case "E1:exchanger": return median(() -> {
                var x = new Exchanger<Integer>();
                return perS(n, () -> team(2, me -> { for (int k = 0; k < 2 * n; k++) x.exchange(me); }));
            });
            case "Q3:abq": case "Q3:ltq": case "Q3:sync": return median(() -> {
                Supplier<BlockingQueue<Integer>> mk = () -> v.equals("abq") ? new ArrayBlockingQueue<>(1) : v.equals("ltq") ? new LinkedTransferQueue<>() : new SynchronousQueue<>();
                var a = mk.get();
                var b = mk.get();
                return perS(n, () -> team(2, me -> {
                    for (int k = 0; k < n; k++)
                        if (me == 0) { a.put(k); check(b.take() == k, "ping-pong"); } else b.put(a.take());
                }));
            });
            case "Q4:abq": return median(() -> {
                var q = new ArrayBlockingQueue<String>(1024); // a fresh String per message
                return perS(n, () -> team(2, me -> {
                    if (me == 0) for (int k = 0; k < n; k++) q.put(Integer.toString(k));
                    else { long s = 0; for (int k = 0; k < n; k++) s += q.take().length(); sink = s; }
                }));
            });
            case "T1:thread": return median(() -> perS(n, () -> { for (int i = 0; i < n; i++) { var x = new Thread(() -> {}); x.start(); x.join(); } }));
        }
        if (w.equals("P3") || w.equals("P4") || w.equals("P5") || w.startsWith("P9") || v.equals("forkjoin")) {
            var p = new ForkJoinPool(t);
            switch (w) {
                case "P1": return median(() -> {
                    var left = new AtomicInteger(n);
                    var done = new CountDownLatch(1);
                    return perS(n, () -> { for (int i = 0; i < n; i++) p.execute(() -> { if (left.decrementAndGet() == 0) done.countDown(); }); done.await(); });
                });
                case "P3": return median(() -> {
                    long s = System.nanoTime();
                    sink = p.invoke(new Fib(n));
                    double sec = (System.nanoTime() - s) / 1e9;
                    return new Out(joins(n) / sec, String.format("fib(%d) %.4f s", n, sec));
                });
                case "P4": {
                    var a = new double[n];
                    for (int i = 0; i < n; i++) a[i] = i;
                    return median(() -> {
                        var s = new double[2];
                        double one = ms(() -> s[0] = sumPart(a, 0, n)).v;
                        double two = ms(() -> s[1] = p.invoke(new SumTask(a, 0, n))).v;
                        check(Math.abs(s[0] - s[1]) < 1e-6 * s[0], "sum");
                        return new Out(two, String.format("serial %.2f ms, x%.2f", one, one / two));
                    });
                }
                case "P9/0ms", "P9/1ms": {
                    IntToLongFunction call = i -> spin(88172645463325252L + i, 1000);
                    long right = IntStream.range(0, 32).mapToLong(call).reduce(0, (a, b) -> a ^ b);
                    return median(() -> {
                        var l = new double[n];
                        for (int i = 0; i < n; i++) {
                            if (w.endsWith("1ms")) Thread.sleep(1);
                            long s = System.nanoTime();
                            long r = p.submit(() -> IntStream.range(0, 32).parallel().mapToLong(call).reduce(0, (a, b) -> a ^ b)).get();
                            l[i] = (System.nanoTime() - s) / 1e3;
                            check(r == right, "result");
                        }
                        return new Out(p50(l), "");
                    });
                }
                case "P5": return median(() -> {
                    var s = new long[1];
                    Out o = ms(() -> s[0] = p.submit(() -> IntStream.range(0, n).parallel().mapToLong(Peer::mandelRow).sum()).get());
                    return new Out(o.v, "sum " + s[0]);
                });
            }
            return pool(p, w, n);
        }
        return pool(Executors.newFixedThreadPool(t), w, n);
    }
    static Out pool(ExecutorService p, String w, int n) throws Exception {
        switch (w) {
            case "P1": return median(() -> {
                var left = new AtomicInteger(n);
                var done = new CountDownLatch(1);
                return perS(n, () -> { for (int i = 0; i < n; i++) p.execute(() -> { if (left.decrementAndGet() == 0) done.countDown(); }); done.await(); });
            });
            case "P1b": return median(() -> perS(n, () -> {
                var f = new ArrayList<Future<Integer>>(n);
                for (int i = 0; i < n; i++) { int k = i; f.add(p.submit(() -> k)); }
                long s = 0;
                for (var x : f) s += x.get();
                check(s == (long) n * (n - 1) / 2, "futures");
            }));
            case "P2": return median(() -> {
                var l = new double[n];
                for (int i = 0; i < n; i++) {
                    int k = i;
                    long s = System.nanoTime();
                    check(p.submit(() -> k).get() == k, "latency");
                    l[i] = (System.nanoTime() - s) / 1e3;
                }
                return new Out(p50(l), "");
            });
            case "P6": return median(() -> ms(() -> {
                var done = new CountDownLatch(n);
                for (int i = 0; i < n; i++) p.execute(() -> { try { Thread.sleep(1); } catch (InterruptedException e) { } done.countDown(); });
                done.await();
            }));
        }
        throw new IllegalArgumentException("no such row");
    }
    public static void main(String[] arg) throws Exception {
        if (arg.length == 0 || arg[0].equals("list")) {
            for (var r : rows) System.out.println(r.w + " " + r.t);
            return;
        }
        int t = arg.length > 1 ? Integer.parseInt(arg[1]) : 0;
        Row best = null;
        for (var r : rows) if (r.w.equals(arg[0]) && (best == null || r.t == t)) best = r;
        if (best == null) throw new IllegalArgumentException("unknown workload; try: list");
        if (t == 0) t = best.t;
        int n = arg.length > 2 ? Integer.parseInt(arg[2]) : best.n;
        String[] wv = best.w.split(":");
        Out o = run(wv[0], wv[1], t, n);
        System.out.printf("%s\tjava-%s\t%d\t%.6f\t%s\t%s%n", wv[0], wv[1], t, o.v, best.unit, o.note);
        System.exit(0);
    }
}
