//! Rust peer: std, parking_lot, crossbeam-channel, rayon. See Benchmarks/README.md for the workloads.
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::*};
use std::sync::{Barrier, Condvar, Mutex, RwLock};
use std::thread;
use std::time::{Duration, Instant};

/// One measured value and an optional remark.
type Out = (f64, String);

fn spin(mut x: u64, n: u32) -> u64 {
    for _ in 0..n {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
    }
    x
}
fn seed(i: usize) -> u64 {
    88172645463325252 + i as u64
}
fn plain(v: f64) -> Out {
    (v, String::new())
}
/// 1 warm-up + 5 repetitions, median by value.
fn median(mut f: impl FnMut() -> Out) -> Out {
    f();
    let mut v: Vec<Out> = (0..5).map(|_| f()).collect();
    v.sort_by(|a, b| a.0.total_cmp(&b.0));
    v.swap_remove(2)
}
fn ns_per(n: usize, f: impl FnOnce()) -> Out {
    let t = Instant::now();
    f();
    plain(t.elapsed().as_secs_f64() * 1e9 / n as f64)
}
fn per_s(n: usize, f: impl FnOnce()) -> Out {
    let t = Instant::now();
    f();
    plain(n as f64 / t.elapsed().as_secs_f64())
}
/// Timed contention: `t` threads loop `op` for 200 ms; ops/s and each thread's share.
fn contend(t: usize, op: impl Fn(u64) -> u64 + Sync) -> Out {
    let stop = AtomicBool::new(false);
    thread::scope(|s| {
        let start = Instant::now();
        let hs: Vec<_> = (0..t)
            .map(|i| {
                let (stop, op) = (&stop, &op);
                s.spawn(move || {
                    let (mut x, mut n) = (seed(i), 0u64);
                    while !stop.load(Relaxed) {
                        x = op(x);
                        n += 1;
                    }
                    std::hint::black_box(x);
                    n
                })
            })
            .collect();
        thread::sleep(Duration::from_millis(200));
        stop.store(true, Relaxed);
        let c: Vec<u64> = hs.into_iter().map(|h| h.join().unwrap()).collect();
        let sec = start.elapsed().as_secs_f64();
        let sum: u64 = c.iter().sum();
        let share = |n: u64| n as f64 * t as f64 / sum as f64;
        let note = format!("share min {:.2} max {:.2}", share(*c.iter().min().unwrap()), share(*c.iter().max().unwrap()));
        (sum as f64 / sec, note)
    })
}
fn pair(a: impl FnOnce() + Send, b: impl FnOnce() + Send) {
    thread::scope(|s| {
        s.spawn(a);
        s.spawn(b);
    })
}

/// A counting semaphore as a Rust user would write it (std has none).
struct Sem {
    n: Mutex<usize>,
    c: Condvar,
}
impl Sem {
    fn new(n: usize) -> Self {
        Sem { n: Mutex::new(n), c: Condvar::new() }
    }
    fn acquire(&self) {
        let mut g = self.n.lock().unwrap();
        while *g == 0 {
            g = self.c.wait(g).unwrap();
        }
        *g -= 1;
    }
    fn release(&self) {
        *self.n.lock().unwrap() += 1;
        self.c.notify_one();
    }
}

/// Queue traffic: p producers, c consumers, fixed share each; sums are checked.
fn traffic<T: Send>(
    n: usize, p: usize, c: usize,
    send: impl Fn(T) + Sync, recv: impl Fn() -> T + Sync,
    make: impl Fn(u64) -> T + Sync, read: impl Fn(T) -> u64 + Sync,
) -> Out {
    let total = AtomicU64::new(0);
    let n = n / (p * c) * (p * c);
    let r = per_s(n, || {
        thread::scope(|s| {
            for _ in 0..c {
                s.spawn(|| {
                    let mut sum = 0;
                    for _ in 0..n / c {
                        sum += read(recv());
                    }
                    total.fetch_add(sum, Relaxed);
                });
            }
            for _ in 0..p {
                s.spawn(|| {
                    for i in 0..n / p {
                        send(make(i as u64));
                    }
                });
            }
        })
    });
    let k = (n / p) as u64;
    assert_eq!(total.load(Relaxed), p as u64 * (k * (k - 1) / 2));
    r
}
fn topology(s: &str) -> (usize, usize) {
    let (p, c) = s.split_once('p').unwrap();
    (p.parse().unwrap(), c.trim_end_matches('c').parse().unwrap())
}

/// P8's text: letters and, one time in five or so, what is none.
fn words_text(n: usize) -> Vec<u8> {
    let mut x: u64 = 88172645463325252;
    (0..n).map(|_| {
        x = spin(x, 1);
        let v = (x >> 32) as u8 & 31;
        if v < 26 { b'a' + v } else { b' ' }
    }).collect()
}

/// The words that begin in the range, and their letters.
fn count_words(text: &[u8], from: usize, to: usize) -> (u64, u64) {
    let letter = |c: u8| c.wrapping_sub(b'a') < 26;
    let (mut i, mut words, mut letters) = (from, 0, 0);
    if from > 0 && letter(text[from - 1]) {
        while i < text.len() && letter(text[i]) { i += 1 }
    }
    while i < to {
        if !letter(text[i]) { i += 1; continue }
        let start = i;
        while i < text.len() && letter(text[i]) { i += 1 }
        words += 1;
        letters += (i - start) as u64;
    }
    (words, letters)
}

fn fib(n: u32) -> u64 {
    if n < 2 {
        return n as u64;
    }
    let (a, b) = rayon::join(|| fib(n - 1), || fib(n - 2));
    a + b
}
fn joins(n: u32) -> f64 {
    let (mut a, mut b) = (0.0f64, 0.0f64); // joins(0), joins(1)
    for _ in 1..n {
        (a, b) = (b, a + b + 1.0);
    }
    b
}
fn mandel_row(y: usize) -> u64 {
    let (w, maxiter) = (1024, 500);
    let ci = -1.5 + 3.0 * y as f64 / 1024.0;
    let mut sum = 0;
    for x in 0..w {
        let cr = -2.0 + 3.0 * x as f64 / w as f64;
        let (mut zr, mut zi, mut i) = (0.0f64, 0.0f64, 0);
        while i < maxiter && zr * zr + zi * zi <= 4.0 {
            (zr, zi) = (zr * zr - zi * zi + cr, 2.0 * zr * zi + ci);
            i += 1;
        }
        sum += i as u64;
    }
    sum
}
fn pool(n: usize) -> rayon::ThreadPool {
    rayon::ThreadPoolBuilder::new().num_threads(n).build().unwrap()
}
struct Latch {
    left: AtomicU64,
    waiter: thread::Thread,
}
impl Latch {
    /// Leaked on purpose: a worker may still be inside `hit` when `wait` returns.
    fn new(n: usize) -> &'static Latch {
        Box::leak(Box::new(Latch { left: AtomicU64::new(n as u64), waiter: thread::current() }))
    }
    fn hit(&self) {
        if self.left.fetch_sub(1, AcqRel) == 1 {
            self.waiter.unpark();
        }
    }
    fn wait(&self) {
        while self.left.load(Acquire) != 0 {
            thread::park();
        }
    }
}
fn p50(mut v: Vec<f64>) -> f64 {
    v.sort_by(f64::total_cmp);
    v[v.len() / 2]
}

const ROWS: &[(&str, usize, usize, &str)] = &[
    // workload:variant, threads, N, unit
    ("L1:std", 1, 10_000_000, "ns/op"), ("L1:parking_lot", 1, 10_000_000, "ns/op"),
    ("L2:std", 2, 0, "ops/s"), ("L2:std", 4, 0, "ops/s"), ("L2:std", 8, 0, "ops/s"),
    ("L2:parking_lot", 2, 0, "ops/s"), ("L2:parking_lot", 4, 0, "ops/s"), ("L2:parking_lot", 8, 0, "ops/s"),
    ("L3:parking_lot", 1, 5_000_000, "ns/op"),
    ("R1:std", 4, 0, "ops/s"), ("R1:parking_lot", 4, 0, "ops/s"),
    ("R2:std", 4, 0, "ops/s"), ("R2:parking_lot", 4, 0, "ops/s"),
    ("C1:std", 2, 2_000, "round trips/s"), ("C1:parking_lot", 2, 2_000, "round trips/s"),
    ("S1:std-hand", 1, 1_000_000, "ns/op"), ("S2:std-hand", 4, 0, "ops/s"),
    ("B1:std", 2, 3_000, "crossings/s"), ("B1:std", 4, 3_000, "crossings/s"),
    ("E1:std-park", 2, 2_000, "round trips/s"),
    ("Q1/1/1p1c:crossbeam", 2, 100_000, "msg/s"), ("Q1/1/4p4c:crossbeam", 8, 100_000, "msg/s"),
    ("Q1/1/1p4c:crossbeam", 5, 100_000, "msg/s"), ("Q1/1/4p1c:crossbeam", 5, 100_000, "msg/s"),
    ("Q1/64/1p1c:crossbeam", 2, 2_000_000, "msg/s"), ("Q1/64/4p4c:crossbeam", 8, 1_000_000, "msg/s"),
    ("Q1/64/1p4c:crossbeam", 5, 1_000_000, "msg/s"), ("Q1/64/4p1c:crossbeam", 5, 1_000_000, "msg/s"),
    ("Q1/1024/1p1c:crossbeam", 2, 4_000_000, "msg/s"), ("Q1/1024/4p4c:crossbeam", 8, 4_000_000, "msg/s"),
    ("Q1/1024/1p4c:crossbeam", 5, 4_000_000, "msg/s"), ("Q1/1024/4p1c:crossbeam", 5, 4_000_000, "msg/s"),
    ("Q1/1/1p1c:std-sync", 2, 3_000, "msg/s"), ("Q1/1/4p1c:std-sync", 5, 5_000, "msg/s"),
    ("Q1/64/1p1c:std-sync", 2, 2_000_000, "msg/s"), ("Q1/64/4p1c:std-sync", 5, 1_000_000, "msg/s"),
    ("Q1/1024/1p1c:std-sync", 2, 4_000_000, "msg/s"), ("Q1/1024/4p1c:std-sync", 5, 4_000_000, "msg/s"),
    ("Q2/1p1c:crossbeam", 2, 4_000_000, "msg/s"), ("Q2/4p4c:crossbeam", 8, 4_000_000, "msg/s"),
    ("Q3:crossbeam", 2, 200_000, "round trips/s"), ("Q3:std-sync", 2, 2_000, "round trips/s"),
    ("Q4:crossbeam", 2, 2_000_000, "msg/s"),
    ("T1:std", 1, 2_000, "threads/s"),
    ("P1:rayon-spawn", 2, 1_000_000, "tasks/s"), ("P1:rayon-scope", 2, 1_000_000, "tasks/s"),
    ("P1b:rayon-oneshot", 2, 300_000, "tasks/s"),
    ("P2:rayon-install", 2, 3_000, "us p50"), ("P2:rayon-oneshot", 2, 5_000, "us p50"),
    ("P3:rayon", 2, 32, "joins/s"), ("P4:rayon", 2, 20_000_000, "ms"),
    ("P5:rayon", 2, 1024, "ms"), ("P6:rayon", 8, 1000, "ms"),
    ("P9/0ms:rayon", 2, 2000, "us p50"), ("P9/1ms:rayon", 2, 300, "us p50"),
    ("P8:rayon", 2, 50_000_000, "ms"), ("P7:rayon", 2, 10_000_000, "ms"), ("P7:rayon-unstable", 2, 10_000_000, "ms"),
];

fn main() {
    let arg: Vec<String> = std::env::args().collect();
    if arg.len() < 2 || arg[1] == "list" {
        for r in ROWS {
            println!("{} {}", r.0, r.1);
        }
        return;
    }
    let want: Option<usize> = arg.get(2).map(|s| s.parse().unwrap());
    let row = ROWS
        .iter()
        .find(|r| r.0 == arg[1] && want.map_or(true, |w| w == r.1))
        .or_else(|| ROWS.iter().find(|r| r.0 == arg[1]))
        .expect("unknown workload; try: list");
    let t = want.unwrap_or(row.1);
    let n: usize = arg.get(3).map_or(row.2, |s| s.parse().unwrap());
    let (w, v) = row.0.split_once(':').unwrap();
    let (value, note) = run(w, v, t, n);
    println!("{}\trust-{}\t{}\t{:.6}\t{}\t{}", w, v, t, value, row.3, note);
}

fn run(w: &str, v: &str, t: usize, n: usize) -> Out {
    match (w, v) {
        ("L1", "std") => median(|| {
            let m = std::hint::black_box(Mutex::new(0u64));
            ns_per(n, || for _ in 0..n { *m.lock().unwrap() += 1 })
        }),
        ("L1", _) => median(|| {
            let m = std::hint::black_box(parking_lot::Mutex::new(0u64));
            ns_per(n, || for _ in 0..n { *m.lock() += 1 })
        }),
        ("L2", "std") => median(|| {
            let m = Mutex::new(0u64);
            contend(t, |x| {
                let x = { let mut g = m.lock().unwrap(); *g += 1; spin(x, 12) };
                spin(x, 64)
            })
        }),
        ("L2", _) => median(|| {
            let m = parking_lot::Mutex::new(0u64);
            contend(t, |x| {
                let x = { let mut g = m.lock(); *g += 1; spin(x, 12) };
                spin(x, 64)
            })
        }),
        ("L3", _) => median(|| {
            let m = parking_lot::ReentrantMutex::new(std::cell::Cell::new(0u64));
            ns_per(n, || for _ in 0..n {
                let a = m.lock();
                let b = m.lock();
                b.set(b.get() + 1);
                drop(b);
                drop(a);
            })
        }),
        ("R1" | "R2", "std") => median(|| {
            let (every, inside, outside) = if w == "R1" { (20, 12, 64) } else { (1000, 2, 4) };
            let m = RwLock::new(0u64);
            contend(t, |x| {
                let x = if x % every == 0 { *m.write().unwrap() += 1; x } else { let g = m.read().unwrap(); spin(x ^ (*g & 1), inside) };
                spin(x, outside)
            })
        }),
        ("R1" | "R2", _) => median(|| {
            let (every, inside, outside) = if w == "R1" { (20, 12, 64) } else { (1000, 2, 4) };
            let m = parking_lot::RwLock::new(0u64);
            contend(t, |x| {
                let x = if x % every == 0 { *m.write() += 1; x } else { let g = m.read(); spin(x ^ (*g & 1), inside) };
                spin(x, outside)
            })
        }),
        ("C1", "std") => median(|| {
            let (m, c) = (Mutex::new(0u8), [Condvar::new(), Condvar::new()]);
            let side = |me: u8| { let (m, c) = (&m, &c); move || for _ in 0..n {
                let mut g = m.lock().unwrap();
                while *g != me { g = c[me as usize].wait(g).unwrap(); }
                *g = 1 - me;
                drop(g);
                c[1 - me as usize].notify_one();
            }};
            per_s(n, || pair(side(0), side(1)))
        }),
        ("C1", _) => median(|| {
            let (m, c) = (parking_lot::Mutex::new(0u8), [parking_lot::Condvar::new(), parking_lot::Condvar::new()]);
            let side = |me: u8| { let (m, c) = (&m, &c); move || for _ in 0..n {
                let mut g = m.lock();
                while *g != me { c[me as usize].wait(&mut g); }
                *g = 1 - me;
                drop(g);
                c[1 - me as usize].notify_one();
            }};
            per_s(n, || pair(side(0), side(1)))
        }),
        ("S1", _) => median(|| {
            let s = std::hint::black_box(Sem::new(1));
            ns_per(n, || for _ in 0..n { s.acquire(); s.release() })
        }),
        ("S2", _) => median(|| {
            let s = Sem::new(2);
            contend(t, |x| { s.acquire(); let x = spin(x, 12); s.release(); spin(x, 64) })
        }),
        ("B1", _) => median(|| {
            let b = Barrier::new(t);
            per_s(n, || thread::scope(|s| for _ in 0..t { s.spawn(|| for _ in 0..n { b.wait(); }); }))
        }),
        ("E1", _) => median(|| {
            // two flags, thread::park / unpark
            let f = [AtomicBool::new(false), AtomicBool::new(false)];
            let wait = |k: usize| while !f[k].swap(false, AcqRel) { thread::park() };
            let main = thread::current();
            per_s(n, || thread::scope(|s| {
                let (f, wait) = (&f, &wait);
                let h = s.spawn(move || for _ in 0..n { wait(0); f[1].store(true, Release); main.unpark(); });
                for _ in 0..n { f[0].store(true, Release); h.thread().unpark(); wait(1); }
            }))
        }),
        ("Q3", "crossbeam") => median(|| {
            let ((s1, r1), (s2, r2)) = (crossbeam_channel::bounded(1), crossbeam_channel::bounded(1));
            per_s(n, || pair(
                move || for i in 0..n { s1.send(i).unwrap(); assert_eq!(r2.recv().unwrap(), i) },
                move || for _ in 0..n { s2.send(r1.recv().unwrap()).unwrap() },
            ))
        }),
        ("Q3", _) => median(|| {
            let ((s1, r1), (s2, r2)) = (std::sync::mpsc::sync_channel(1), std::sync::mpsc::sync_channel(1));
            per_s(n, || pair(
                move || for i in 0..n { s1.send(i).unwrap(); assert_eq!(r2.recv().unwrap(), i) },
                move || for _ in 0..n { s2.send(r1.recv().unwrap()).unwrap() },
            ))
        }),
        ("Q4", _) => median(|| {
            let (s, r) = crossbeam_channel::bounded(1024);
            traffic(n, 1, 1, |x| s.send(x).unwrap(), || r.recv().unwrap(), Box::new, |b| *b)
        }),
        ("T1", _) => median(|| per_s(n, || for _ in 0..n { thread::spawn(|| {}).join().unwrap() })),
        ("P1", "rayon-spawn") => {
            let p = pool(t);
            median(|| per_s(n, || {
                let l = Latch::new(n);
                for _ in 0..n { p.spawn(move || l.hit()) }
                l.wait();
            }))
        }
        ("P1", _) => {
            let p = pool(t);
            median(|| {
                let hits = AtomicU64::new(0);
                let r = per_s(n, || p.in_place_scope(|s| for _ in 0..n { s.spawn(|_| { hits.fetch_add(1, Relaxed); }) }));
                assert_eq!(hits.into_inner(), n as u64);
                r
            })
        }
        ("P1b", _) => {
            let p = pool(t);
            median(|| per_s(n, || {
                let fs: Vec<_> = (0..n).map(|i| {
                    let (s, r) = crossbeam_channel::bounded(1);
                    p.spawn(move || s.send(i).unwrap());
                    r
                }).collect();
                assert_eq!(fs.into_iter().map(|r| r.recv().unwrap()).sum::<usize>(), n * (n - 1) / 2);
            }))
        }
        ("P2", "rayon-install") => {
            let p = pool(t);
            median(|| plain(p50((0..n).map(|i| {
                let s = Instant::now();
                assert_eq!(p.install(|| i), i);
                s.elapsed().as_secs_f64() * 1e6
            }).collect())))
        }
        ("P2", _) => {
            let p = pool(t);
            median(|| plain(p50((0..n).map(|i| {
                let s = Instant::now();
                let (tx, rx) = crossbeam_channel::bounded(1);
                p.spawn(move || tx.send(i).unwrap());
                assert_eq!(rx.recv().unwrap(), i);
                s.elapsed().as_secs_f64() * 1e6
            }).collect())))
        }
        ("P3", _) => {
            let p = pool(t);
            median(|| {
                let s = Instant::now();
                std::hint::black_box(p.install(|| fib(n as u32)));
                let sec = s.elapsed().as_secs_f64();
                (joins(n as u32) / sec, format!("{:.4} s", sec))
            })
        }
        ("P4", _) => {
            use rayon::prelude::*;
            let p = pool(t);
            let a: Vec<f64> = (0..n).map(|i| i as f64).collect();
            median(|| {
                let s = Instant::now();
                let serial: f64 = a.iter().map(|x| x.sqrt()).sum();
                let ms1 = s.elapsed().as_secs_f64() * 1e3;
                let s = Instant::now();
                let par: f64 = p.install(|| a.par_iter().map(|x| x.sqrt()).sum());
                let ms = s.elapsed().as_secs_f64() * 1e3;
                assert!((serial - par).abs() < 1e-6 * serial);
                (ms, format!("serial {:.2} ms, x{:.2}", ms1, ms1 / ms))
            })
        }
        ("P5", _) => {
            use rayon::prelude::*;
            let p = pool(t);
            median(|| {
                let s = Instant::now();
                let sum: u64 = p.install(|| (0..n).into_par_iter().map(mandel_row).sum());
                (s.elapsed().as_secs_f64() * 1e3, format!("sum {}", sum))
            })
        }
        ("P7", _) => {
            use rayon::prelude::*;
            let p = pool(t);
            let mut x: u64 = 88172645463325252;
            let numbers: Vec<u64> = (0..n).map(|_| { x = spin(x, 1); x }).collect();
            median(|| {
                let mut sorted = numbers.clone();
                let s = Instant::now();
                p.install(|| if v == "rayon" { sorted.par_sort() } else { sorted.par_sort_unstable() });
                let r = plain(s.elapsed().as_secs_f64() * 1e3);
                assert!(sorted.windows(2).all(|w| w[0] <= w[1]));
                r
            })
        }
        ("P8", _) => {
            use rayon::prelude::*;
            let p = pool(t);
            let text = words_text(n as usize);
            let all = count_words(&text, 0, text.len());
            let part = 65536;
            median(|| {
                let s = Instant::now();
                let sum = p.install(|| {
                    (0..text.len().div_ceil(part)).into_par_iter()
                        .map(|i| count_words(&text, i * part, ((i + 1) * part).min(text.len())))
                        .reduce(|| (0, 0), |a, b| (a.0 + b.0, a.1 + b.1))
                });
                let r = s.elapsed().as_secs_f64() * 1e3;
                assert_eq!(sum, all);
                (r, format!("{} words", sum.0))
            })
        }
        (w, _) if w.starts_with("P9") => {
            use rayon::prelude::*;
            let p = pool(t);
            let call = |i: u64| spin(88172645463325252 + i, 1000);
            let right = (0..32).fold(0, |a, i| a ^ call(i));
            let pause = w.ends_with("1ms");
            median(|| plain(p50((0..n).map(|_| {
                if pause { thread::sleep(Duration::from_millis(1)); }
                let s = Instant::now();
                let r = p.install(|| (0..32u64).into_par_iter().map(call).reduce(|| 0, |a, b| a ^ b));
                let us = s.elapsed().as_secs_f64() * 1e6;
                assert_eq!(r, right);
                us
            }).collect())))
        }
        ("P6", _) => {
            let p = pool(t);
            median(|| {
                let s = Instant::now();
                p.in_place_scope(|s| for _ in 0..n { s.spawn(|_| thread::sleep(Duration::from_millis(1))) });
                plain(s.elapsed().as_secs_f64() * 1e3)
            })
        }
        _ => {
            let part: Vec<&str> = w.split('/').collect();
            let (p, c) = topology(part[part.len() - 1]);
            let cap: usize = if part[0] == "Q1" { part[1].parse().unwrap() } else { 0 };
            median(|| match (part[0], v) {
                ("Q1", "crossbeam") => {
                    let (s, r) = crossbeam_channel::bounded(cap);
                    traffic(n, p, c, |x| s.send(x).unwrap(), || r.recv().unwrap(), |i| i, |x| x)
                }
                ("Q2", "crossbeam") => {
                    let (s, r) = crossbeam_channel::unbounded();
                    traffic(n, p, c, |x| s.send(x).unwrap(), || r.recv().unwrap(), |i| i, |x| x)
                }
                _ => {
                    // std's Receiver is single-consumer and !Sync: run the consumer on this thread
                    let (s, r) = std::sync::mpsc::sync_channel(cap);
                    let n = n / p * p;
                    per_s(n, || thread::scope(|sc| {
                        for _ in 0..p {
                            let s = s.clone();
                            sc.spawn(move || for i in 0..n / p { s.send(i as u64).unwrap() });
                        }
                        let sum: u64 = (0..n).map(|_| r.recv().unwrap()).sum();
                        let k = (n / p) as u64;
                        assert_eq!(sum, p as u64 * (k * (k - 1) / 2));
                    }))
                }
            })
        }
    }
}
