// Swift-today peer. See Benchmarks/README.md for the workloads.
import AsyncAlgorithms
import Foundation
import NIOConcurrencyHelpers
import NIOPosix
import Synchronization

struct Row { let w: String; let t: Int; let n: Int; let unit: String }
var rows: [Row] = []
func row(_ w: String, _ t: Int, _ n: Int, _ unit: String) { rows.append(Row(w: w, t: t, n: n, unit: unit)) }
for v in ["mutex", "nslock", "pthread", "niolock"] {
  row("L1:\(v)", 1, 10_000_000, "ns/op")
  for t in v == "niolock" ? [4] : [2, 4, 8] { row("L2:\(v)", t, 0, "ops/s") }
}
row("L1:dispatch-sync", 1, 3_000_000, "ns/op"); row("L2:dispatch-sync", 4, 0, "ops/s")
row("L3:nsrecursive", 1, 5_000_000, "ns/op"); row("L3:pthread", 1, 5_000_000, "ns/op")
row("R1:pthread", 4, 0, "ops/s"); row("R1:dispatch", 4, 0, "ops/s")
row("C1:pthread", 2, 2_000, "round trips/s"); row("C1:nscondition", 2, 2_000, "round trips/s")
row("S1:dispatch", 1, 5_000_000, "ns/op"); row("S2:dispatch", 4, 0, "ops/s")
row("B1:pthread", 2, 3_000, "crossings/s"); row("B1:pthread", 4, 3_000, "crossings/s")
row("E1:dispatch", 2, 2_000, "round trips/s")
for v in ["pthread-ring", "nscondition-ring", "dispatch-ring"] {
  for (cap, n) in [(1, 3_000), (64, 100_000), (1024, 200_000)] {
    for (top, t) in [("1p1c", 2), ("4p4c", 8), ("1p4c", 5), ("4p1c", 5)] where v == "pthread-ring" || top == "1p1c" || top == "4p4c" {
      row("Q1/\(cap)/\(top):\(v)", t, v == "nscondition-ring" ? n / 5 : v == "dispatch-ring" && t == 8 ? n / 10 : n, "msg/s")
    }
  }
}
row("Q1/1/1p1c:async-channel", 2, 40_000, "msg/s"); row("Q1/1/4p4c:async-channel", 8, 40_000, "msg/s")
row("Q2/1p1c:async-stream", 2, 200_000, "msg/s")
row("Q3:pthread-ring", 2, 2_000, "round trips/s"); row("Q3:dispatch-ring", 2, 2_000, "round trips/s"); row("Q3:async-channel", 2, 20_000, "round trips/s")
row("Q4:pthread-ring", 2, 500_000, "msg/s")
row("T1:pthread", 1, 2_000, "threads/s"); row("T1:foundation", 1, 2_000, "threads/s")
row("P1:dispatch-global", 2, 300_000, "tasks/s"); row("P1:taskgroup", 2, 300_000, "tasks/s"); row("P1:task", 2, 300_000, "tasks/s")
row("P1:nio", 2, 300_000, "tasks/s"); row("P1:operationqueue", 2, 20_000, "tasks/s")
row("P1b:taskgroup", 2, 200_000, "tasks/s"); row("P1b:task", 2, 200_000, "tasks/s"); row("P1b:nio-future", 2, 3_000, "tasks/s")
row("P2:dispatch", 2, 5_000, "us p50"); row("P2:task", 2, 5_000, "us p50"); row("P2:nio", 2, 3_000, "us p50")
row("P3:async-let", 2, 25, "joins/s"); row("P3:taskgroup", 2, 22, "joins/s")
row("P4:concurrentperform", 2, 20_000_000, "ms"); row("P4:taskgroup", 2, 20_000_000, "ms")
row("P5:concurrentperform", 2, 1024, "ms"); row("P5:taskgroup", 2, 1024, "ms"); row("P8:concurrentperform", 2, 50_000_000, "ms")
row("P9/0ms:concurrentperform", 2, 2000, "us p50"); row("P9/1ms:concurrentperform", 2, 300, "us p50")
row("PHY-task-one-way:continuation", 2, 50_000, "ns"); row("PHY-task-barrier:continuation", 4, 20_000, "crossings/s")
row("PHY-future-memory:malloc", 1, 200_000, "objects/s")
row("P6:nio", 8, 1000, "ms"); row("P6:operationqueue", 8, 1000, "ms")

func ring(_ v: String, _ cap: Int) -> (send: (UInt64) -> Void, recv: () -> UInt64) {
  func ops<Q: Queue>(_ q: Q) -> (send: (UInt64) -> Void, recv: () -> UInt64) where Q.E == UInt64 { ({ q.send($0) }, { q.recv() }) }
  switch v {
  case "pthread-ring": return ops(PRing<UInt64>(cap))
  case "nscondition-ring": return ops(NSRing<UInt64>(cap))
  default: return ops(DRing<UInt64>(cap))
  }
}
/// What P1b costs without any pool: as many objects of a future's size, each with a closure that captures a number, kept, and read in order.
final class Kept {
  let work: () -> Int
  let rest: (UInt, UInt, UInt) = (0, 0, 0)
  init(_ work: @escaping () -> Int) { self.work = work }
}
/// Lies behind all others, as a pool's memory does: the C library gives memory back to the system only from the end, and to have it anew
/// from there with each round is half of this row's time.
nonisolated(unsafe) var lastKept: Kept?
func futureMemory(_ n: Int) -> Out {
  perS(n) {
    let kept = (0..<n).map { i in Kept { i } }
    if lastKept == nil { lastKept = kept.last }
    check(kept.reduce(0) { $0 + $1.work() } == n * (n - 1) / 2, "objects")
  }
}
func asyncTraffic(_ n: Int, _ p: Int, _ c: Int) -> Out {
  perS(n) {
    blocking {
      let q = AsyncChannel<UInt64>()
      await withTaskGroup(of: UInt64.self) { g in
        for _ in 0..<c {
          g.addTask {
            var s: UInt64 = 0
            for await x in q { s += x }
            return s
          }
        }
        await withTaskGroup(of: Void.self) { h in
          for _ in 0..<p { h.addTask { for k in 0..<n / p { await q.send(UInt64(k)) } } }
        }
        q.finish()
        let sum = Int(await g.reduce(0, +)), k = n / p
        check(sum == p * (k * (k - 1) / 2), "async traffic")
      }
    }
  }
}
/// What a task that waits costs at least: a continuation in a word, and who resumes it.
final class Mailbox: Sendable {
  private let word = Atomic<UInt>(0)
  private static let sent: UInt = 1

  func send() {
    let old = word.exchange(Self.sent, ordering: .acquiringAndReleasing)
    if old == 0 { return }
    word.store(0, ordering: .relaxed)
    unsafeBitCast(old, to: UnsafeContinuation<Void, Never>.self).resume()
  }

  func receive() async {
    if word.load(ordering: .acquiring) == Self.sent { return word.store(0, ordering: .relaxed) }
    await withUnsafeContinuation { (continuation: UnsafeContinuation<Void, Never>) in
      let old = word.exchange(unsafeBitCast(continuation, to: UInt.self), ordering: .acquiringAndReleasing)
      if old == Self.sent {
        word.store(0, ordering: .relaxed)
        continuation.resume()
      }
    }
  }
}
func taskOneWay(_ n: Int) -> Out {
  let out = perS(2 * n) {
    blocking {
      let boxes = [Mailbox(), Mailbox()]
      await withTaskGroup(of: Void.self) { g in
        for side in 0..<2 {
          g.addTask {
            for _ in 0..<n {
              if side == 0 { boxes[1].send() }
              await boxes[side].receive()
              if side == 1 { boxes[0].send() }
            }
          }
        }
      }
    }
  }
  return Out(v: 1e9 / out.v)
}
/// What B1 between tasks costs at least: those who have arrived wait in continuations, the last one resumes them.
func taskBarrier(_ tasks: Int, _ n: Int) -> Out {
  perS(n) {
    blocking {
      let waiting = Mutex<[UnsafeContinuation<Void, Never>]>([])
      await withTaskGroup(of: Void.self) { g in
        for _ in 0..<tasks {
          g.addTask {
            for _ in 0..<n {
              await withUnsafeContinuation { (continuation: UnsafeContinuation<Void, Never>) in
                let all = waiting.withLock { all -> [UnsafeContinuation<Void, Never>] in
                  all.append(continuation)
                  if all.count < tasks { return [] }
                  defer { all = [] }
                  return all
                }
                for one in all { one.resume() }
              }
            }
          }
        }
      }
    }
  }
}
func fibLet(_ n: Int) async -> Int {
  if n < 2 { return n }
  async let a = fibLet(n - 1)
  let b = await fibLet(n - 2)
  return await a + b
}
func fibGroup(_ n: Int) async -> Int {
  if n < 2 { return n }
  return await withTaskGroup(of: Int.self) { g in
    g.addTask { await fibGroup(n - 1) }
    let b = await fibGroup(n - 2)
    return await g.next()! + b
  }
}

func run(_ w: String, _ v: String, _ t: Int, _ n: Int) -> Out {
  switch w {
  case "L1":
    switch v {
    case "mutex": let m = MutexBox(); return median { nsPer(n) { for _ in 0..<n { m.m.withLock { $0 &+= 1 } } } }
    case "nslock": let m = NSLock(), x = Box(0); return median { nsPer(n) { for _ in 0..<n { m.lock(); x.v &+= 1; m.unlock() } } }
    case "niolock": let m = NIOLockedValueBox(0); return median { nsPer(n) { for _ in 0..<n { m.withLockedValue { $0 &+= 1 } } } }
    case "dispatch-sync": let q = DispatchQueue(label: "q"), x = Box(0); return median { nsPer(n) { for _ in 0..<n { q.sync { x.v &+= 1 } } } }
    default: let m = PMutex(), x = Box(0); return median { nsPer(n) { for _ in 0..<n { m.lock(); x.v &+= 1; m.unlock() } } }
    }
  case "L2":
    let d = Box(UInt64(0))
    switch v {
    case "mutex": let m = MutexBox(); return median { contend(t) { x in spin(m.m.withLock { $0 &+= 1; return spin(x, 12) }, 64) } }
    case "nslock": let m = NSLock(); return median { contend(t) { x in m.lock(); d.v &+= 1; let y = spin(x, 12); m.unlock(); return spin(y, 64) } }
    case "niolock": let m = NIOLockedValueBox(UInt64(0)); return median { contend(t) { x in spin(m.withLockedValue { $0 &+= 1; return spin(x, 12) }, 64) } }
    case "dispatch-sync": let q = DispatchQueue(label: "q"); return median { contend(t) { x in spin(q.sync { d.v &+= 1; return spin(x, 12) }, 64) } }
    default: let m = PMutex(); return median { contend(t) { x in m.lock(); d.v &+= 1; let y = spin(x, 12); m.unlock(); return spin(y, 64) } }
    }
  case "L3":
    if v == "pthread" { let m = PMutex(recursive: true); return median { nsPer(n) { for _ in 0..<n { m.lock(); m.lock(); m.unlock(); m.unlock() } } } }
    let m = NSRecursiveLock()
    return median { nsPer(n) { for _ in 0..<n { m.lock(); m.lock(); m.unlock(); m.unlock() } } }
  case "R1":
    let d = Box(UInt64(0))
    if v == "pthread" {
      let l = UnsafeMutablePointer<pthread_rwlock_t>.allocate(capacity: 1)
      pthread_rwlock_init(l, nil)
      return median {
        contend(t) { x in
          var y = x
          if x % 20 == 0 { pthread_rwlock_wrlock(l); d.v &+= 1 } else { pthread_rwlock_rdlock(l); y = spin(x ^ (d.v & 1), 12) }
          pthread_rwlock_unlock(l)
          return spin(y, 64)
        }
      }
    }
    let q = DispatchQueue(label: "rw", attributes: .concurrent)
    return median {
      contend(t) { x in
        if x % 20 == 0 { q.sync(flags: .barrier) { d.v &+= 1 }; return spin(x, 64) }
        return spin(q.sync { spin(x ^ (d.v & 1), 12) }, 64)
      }
    }
  case "C1":
    return median {
      let turn = Box(0)
      if v == "pthread" {
        let m = PMutex(), c = [PCond(), PCond()]
        return perS(n) {
          team(2) { me in
            for _ in 0..<n {
              m.lock()
              while turn.v != me { c[me].wait(m) }
              turn.v = 1 - me
              m.unlock()
              c[1 - me].signal()
            }
          }
        }
      }
      let c = NSCondition()
      return perS(n) {
        team(2) { me in
          for _ in 0..<n {
            c.lock()
            while turn.v != me { c.wait() }
            turn.v = 1 - me
            c.signal()
            c.unlock()
          }
        }
      }
    }
  case "S1": let s = DispatchSemaphore(value: 1); return median { nsPer(n) { for _ in 0..<n { s.wait(); s.signal() } } }
  case "S2": let s = DispatchSemaphore(value: 2); return median { contend(t) { x in s.wait(); let y = spin(x, 12); s.signal(); return spin(y, 64) } }
  case "B1":
    return median {
      let b = UnsafeMutablePointer<pthread_barrier_t>.allocate(capacity: 1)
      pthread_barrier_init(b, nil, UInt32(t))
      defer { pthread_barrier_destroy(b); b.deallocate() }
      return perS(n) { team(t) { _ in for _ in 0..<n { pthread_barrier_wait(b) } } }
    }
  case "PHY-task-one-way": return median { taskOneWay(n) }
  case "PHY-task-barrier": return median { taskBarrier(t, n) }
  case "PHY-future-memory": return median { futureMemory(n) }
  case "E1":
    return median {
      let a = DispatchSemaphore(value: 0), b = DispatchSemaphore(value: 0)
      return perS(n) { team(2) { me in for _ in 0..<n { if me == 0 { a.signal(); b.wait() } else { a.wait(); b.signal() } } } }
    }
  case _ where w.hasPrefix("Q1/"):
    let part = w.split(separator: "/"), top = Array(part[2].utf8), p = Int(top[0] - 48), c = Int(top[2] - 48)
    if v == "async-channel" { return median { asyncTraffic(n, p, c) } }
    return median { let q = ring(v, Int(part[1])!); return traffic(n, p, c, q.send, q.recv) }
  case "Q2/1p1c":
    return median {
      perS(n) {
        blocking {
          let (s, k) = AsyncStream.makeStream(of: UInt64.self)
          let producer = Task { for i in 0..<n { k.yield(UInt64(i)) }; k.finish() }
          var sum = 0
          for await x in s { sum += Int(x) }
          await producer.value
          check(sum == n * (n - 1) / 2, "async stream")
        }
      }
    }
  case "Q3":
    if v == "async-channel" {
      return median {
        perS(n) {
          blocking {
            let a = AsyncChannel<Int>(), b = AsyncChannel<Int>()
            let echo = Task { for await x in a { await b.send(x) } }
            var it = b.makeAsyncIterator()
            for k in 0..<n { await a.send(k); check(await it.next() == k, "ping-pong") }
            a.finish()
            await echo.value
          }
        }
      }
    }
    return median {
      let a = ring(v, 1), b = ring(v, 1)
      return perS(n) { team(2) { me in for k in 0..<n { if me == 0 { a.send(UInt64(k)); check(b.recv() == UInt64(k), "ping-pong") } else { b.send(a.recv()) } } } }
    }
  case "Q4":
    return median {
      let q = PRing<Elem>(1024)
      return traffic(n, 1, 1, { q.send(Elem($0)) }, { q.recv().v })
    }
  case "T1":
    if v == "pthread" { return median { perS(n) { for _ in 0..<n { pthread_join(startThread {}, nil) } } } }
    return median { perS(n) { for _ in 0..<n { let s = DispatchSemaphore(value: 0); Thread { s.signal() }.start(); s.wait() } } }
  case "P1":
    switch v {
    case "dispatch-global":
      return median {
        let g = DispatchGroup(), q = DispatchQueue.global()
        return perS(n) { for _ in 0..<n { q.async(group: g) {} }; g.wait() }
      }
    case "taskgroup":
      return median { perS(n) { blocking { await withDiscardingTaskGroup { g in for _ in 0..<n { g.addTask {} } } } } }
    case "task":
      return median {
        let left = Count(n), s = DispatchSemaphore(value: 0)
        return perS(n) { for _ in 0..<n { Task.detached { if left.v.subtract(1, ordering: .acquiringAndReleasing).newValue == 0 { s.signal() } } }; s.wait() }
      }
    case "nio":
      let p = NIOThreadPool(numberOfThreads: t)
      p.start()
      return median {
        let left = Count(n), s = DispatchSemaphore(value: 0)
        return perS(n) { for _ in 0..<n { p.submit { _ in if left.v.subtract(1, ordering: .acquiringAndReleasing).newValue == 0 { s.signal() } } }; s.wait() }
      }
    default:
      let q = OperationQueue()
      q.maxConcurrentOperationCount = t
      return median { perS(n) { for _ in 0..<n { q.addOperation {} }; q.waitUntilAllOperationsAreFinished() } }
    }
  case "P1b":
    switch v {
    case "taskgroup":
      return median { perS(n) { blocking { let s = await withTaskGroup(of: Int.self) { g in for i in 0..<n { g.addTask { i } }; return await g.reduce(0, +) }; check(s == n * (n - 1) / 2, "futures") } } }
    case "task":
      return median { perS(n) { blocking { let f = (0..<n).map { i in Task.detached { i } }; var s = 0; for x in f { s += await x.value }; check(s == n * (n - 1) / 2, "futures") } } }
    default:
      let p = NIOThreadPool(numberOfThreads: t), g = MultiThreadedEventLoopGroup(numberOfThreads: 1)
      p.start()
      return median {
        perS(n) {
          let l = g.next(), f = (0..<n).map { i in p.runIfActive(eventLoop: l) { i } }
          let s = f.reduce(0) { $0 + (try! $1.wait()) }
          check(s == n * (n - 1) / 2, "futures")
        }
      }
    }
  case "P2":
    let p = NIOThreadPool(numberOfThreads: t)
    p.start()
    return median {
      var l: [Double] = []
      for _ in 0..<n {
        let s = now(), d = DispatchSemaphore(value: 0)
        switch v {
        case "dispatch": DispatchQueue.global().async { d.signal() }
        case "task": Task.detached { d.signal() }
        default: p.submit { _ in d.signal() }
        }
        d.wait()
        l.append((now() - s) * 1e6)
      }
      return Out(v: p50(l))
    }
  case "P3":
    return median {
      let s = now()
      let r = Box(0)
      blocking { r.v = v == "async-let" ? await fibLet(n) : await fibGroup(n) }
      let sec = now() - s
      sink.store(UInt64(r.v), ordering: .relaxed)
      return Out(v: joins(n) / sec, note: String(format: "fib(%d) %.4f s", n, sec))
    }
  case "P4":
    let a = UnsafeMutableBufferPointer<Double>.allocate(capacity: n)
    for i in 0..<n { a[i] = Double(i) }
    nonisolated(unsafe) let b = UnsafeBufferPointer(a)
    let parts = 8 * t
    @Sendable func piece(_ i: Int) -> Double { sumPart(UnsafeBufferPointer(rebasing: b[n * i / parts..<n * (i + 1) / parts])) }
    return median {
      var s1 = 0.0
      let one = ms { s1 = sumPart(b) }.v
      let s2 = Mutex(0.0)
      let two = ms {
        if v == "taskgroup" {
          let r = Box(0.0)
          blocking { r.v = await withTaskGroup(of: Double.self) { g in for i in 0..<parts { g.addTask { piece(i) } }; return await g.reduce(0, +) } }
          s2.withLock { $0 = r.v }
        } else {
          DispatchQueue.concurrentPerform(iterations: parts) { i in let x = piece(i); s2.withLock { $0 += x } }
        }
      }.v
      check(abs(s1 - s2.withLock { $0 }) < 1e-6 * s1, "sum")
      return Out(v: two, note: String(format: "serial %.2f ms, x%.2f", one, one / two))
    }
  case "P5":
    return median {
      let sum = Count(0)
      var o = ms {
        if v == "taskgroup" {
          blocking { await withDiscardingTaskGroup { g in for y in 0..<n { g.addTask { sum.v.add(mandelRow(y), ordering: .relaxed) } } } }
        } else {
          DispatchQueue.concurrentPerform(iterations: n) { y in sum.v.add(mandelRow(y), ordering: .relaxed) }
        }
      }
      o.note = "sum \(sum.v.load(ordering: .relaxed))"
      return o
    }
  case "P9/0ms", "P9/1ms":
    @Sendable func call(_ i: Int) -> UInt64 { spin(88_172_645_463_325_252 + UInt64(i), 1000) }
    let right = (0..<32).reduce(UInt64(0)) { $0 ^ call($1) }
    return median {
      var l: [Double] = []
      for _ in 0..<n {
        if w == "P9/1ms" { usleep(1000) }
        let s = now(), r = Mutex(UInt64(0))
        DispatchQueue.concurrentPerform(iterations: 32) { i in
          let x = call(i)
          r.withLock { $0 ^= x }
        }
        l.append((now() - s) * 1e6)
        check(r.withLock { $0 == right }, "result")
      }
      return Out(v: p50(l))
    }
  case "P8":
    let text = wordsText(n)
    let all = countWords(text, 0..<n)
    let part = 65_536
    return median {
      let sum = Mutex((words: 0, letters: 0))
      var o = ms {
        DispatchQueue.concurrentPerform(iterations: (n + part - 1) / part) { i in
          let found = countWords(text, i * part..<min((i + 1) * part, n))
          sum.withLock { $0 = ($0.words + found.words, $0.letters + found.letters) }
        }
      }
      check(sum.withLock { $0 == all }, "words")
      o.note = "\(all.words) words"
      return o
    }
  case "P6":
    if v == "nio" {
      let p = NIOThreadPool(numberOfThreads: t)
      p.start()
      return median { ms { let g = DispatchGroup(); for _ in 0..<n { g.enter(); p.submit { _ in usleep(1000); g.leave() } }; g.wait() } }
    }
    let q = OperationQueue()
    q.maxConcurrentOperationCount = t
    return median { ms { for _ in 0..<n { q.addOperation { usleep(1000) } }; q.waitUntilAllOperationsAreFinished() } }
  default: fatalError("no such row")
  }
}

let arg = CommandLine.arguments
if arg.count < 2 || arg[1] == "list" {
  for r in rows { print(r.w, r.t) }
  exit(0)
}
let found = rows.filter { $0.w == arg[1] }
guard let best = found.first(where: { arg.count > 2 && $0.t == Int(arg[2]) }) ?? found.first else { fatalError("unknown workload; try: list") }
let threads = arg.count > 2 ? Int(arg[2])! : best.t
let count = arg.count > 3 ? Int(arg[3])! : best.n
let wv = best.w.split(separator: ":").map(String.init)
pthread_join(startThread {}, nil) // glibc skips the lock prefix while a process never had a second thread
let result = run(wv[0], wv[1], threads, count)
print("\(wv[0])\tswift-\(wv[1])\t\(threads)\t\(String(format: "%.6f", result.v))\t\(best.unit)\t\(result.note)")
exit(0)
