import Spindle

/// Threads: starting, joining, what they know of themselves.
let threadStops: [Stop] = [
  Stop(
    "t = threading.Thread(target=f, name='n'); t.start(); t.join()",
    swift: #"""
      let t = OSThread(name: "n") { 6 * 7 }
      t.start()
      print(t.join())
      """#,
    prints: ["42"]
  ) { print in
    let t = OSThread(name: "n") { 6 * 7 }
    t.start()
    print(t.join())
  },
  Stop(
    "t.join(timeout)",
    swift: #"""
      let gate = Event()
      let t = OSThread.spawn(name: "slow") { gate.wait() }
      print(t.join(timeout: .milliseconds(1)) == nil)
      gate.set()
      print(t.join(timeout: .seconds(60)) != nil)
      """#,
    prints: ["true", "true"]
  ) { print in
    let gate = Event()
    let t = OSThread.spawn(name: "slow") { gate.wait() }
    print(t.join(timeout: .milliseconds(1)) == nil)
    gate.set()
    print(t.join(timeout: .seconds(60)) != nil)
  },
  Stop(
    "(none in Python: join throws what the thread threw, typed)",
    swift: #"""
      enum ParseError: Error { case empty }
      let t = OSThread.spawn { () throws(ParseError) -> Int in throw .empty }
      do throws(ParseError) {
        print(try t.join())
      } catch {
        print("caught", error)
      }
      """#,
    prints: ["caught empty"]
  ) { print in
    enum ParseError: Error { case empty }
    let t = OSThread.spawn { () throws(ParseError) -> Int in throw .empty }
    do throws(ParseError) {
      print(try t.join())
    } catch {
      print("caught", error)
    }
  },
  Stop(
    "threading.active_count(), threading.enumerate()",
    swift: #"""
      let gate = Event()
      let t = OSThread.spawn(name: "counted") { gate.wait() }
      print(OSThread.activeCount >= 2)
      print(OSThread.all.contains { $0.name == "counted" })
      gate.set()
      t.join()
      """#,
    prints: ["true", "true"]
  ) { print in
    let gate = Event()
    let t = OSThread.spawn(name: "counted") { gate.wait() }
    print(OSThread.activeCount >= 2)
    print(OSThread.all.contains { $0.name == "counted" })
    gate.set()
    t.join()
  },
  Stop(
    "threading.current_thread().name, threading.get_native_id()",
    swift: #"""
      let t = OSThread.spawn(name: "worker") { (OSThread.current.name, OSThread.current.nativeID) }
      let (name, id) = t.join()
      print(name, id == t.nativeID)
      """#,
    prints: ["worker true"]
  ) { print in
    let t = OSThread.spawn(name: "worker") { (OSThread.current.name, OSThread.current.nativeID) }
    let (name, id) = t.join()
    print(name, id == t.nativeID)
  },
  Stop(
    "t.is_alive()",
    swift: #"""
      let gate = Event()
      let t = OSThread(name: "n") { gate.wait() }
      print(t.isAlive)
      t.start()
      print(t.isAlive)
      gate.set()
      t.join()
      print(t.isAlive)
      """#,
    prints: ["false", "true", "false"]
  ) { print in
    let gate = Event()
    let t = OSThread(name: "n") { gate.wait() }
    print(t.isAlive)
    t.start()
    print(t.isAlive)
    gate.set()
    t.join()
    print(t.isAlive)
  },
  Stop(
    "t.daemon = True",
    swift: #"""
      let t = OSThread(name: "background", isDaemon: true) { OSThread.current.isDaemon }
      t.start()
      print(t.join())
      """#,
    prints: ["true"]
  ) { print in
    let t = OSThread(name: "background", isDaemon: true) { OSThread.current.isDaemon }
    t.start()
    print(t.join())
  },
  Stop(
    "if __name__ == '__main__'",
    swift: #"""
      let t = OSThread.spawn { OSThread.isMain }
      print(t.join())
      """#,
    prints: ["false"]
  ) { print in
    let t = OSThread.spawn { OSThread.isMain }
    print(t.join())
  },
  Stop(
    "threading.stack_size(1 << 20), threading.excepthook",
    swift: #"""
      struct Oops: Error {}
      OSThread.onUncaughtError = { thread, error in print(thread.name, "failed:", error) }
      let t = OSThread(name: "risky", stackSize: 1 << 20) { throw Oops() }
      t.start()
      do { try t.join() } catch { print("joined:", error) }
      OSThread.onUncaughtError = nil
      """#,
    prints: ["risky failed: Oops()", "joined: Oops()"]
  ) { print in
    struct Oops: Error {}
    OSThread.onUncaughtError = { thread, error in print(thread.name, "failed:", error) }
    let t = OSThread(name: "risky", stackSize: 1 << 20) { throw Oops() }
    t.start()
    do { try t.join() } catch { print("joined:", error) }
    OSThread.onUncaughtError = nil
  },
  Stop(
    "threading.local()",
    swift: #"""
      let counter = ThreadLocal(0)
      counter.value += 1
      let other = OSThread.spawn { counter.value }
      print(counter.value, other.join())
      """#,
    prints: ["1 0"]
  ) { print in
    let counter = ThreadLocal(0)
    counter.value += 1
    let other = OSThread.spawn { counter.value }
    print(counter.value, other.join())
  },
  Stop(
    "t = threading.Timer(5, f); t.start(); t.cancel()",
    swift: #"""
      let rang = Event()
      let bell = DelayedCall(after: .milliseconds(1)) { rang.set() }
      bell.start()
      print(rang.wait(timeout: .seconds(20)))
      let late = DelayedCall(after: .seconds(3600)) { print("too late") }
      late.start()
      late.cancel()
      late.join()
      print(late.isAlive)
      """#,
    prints: ["true", "false"]
  ) { print in
    let rang = Event()
    let bell = DelayedCall(after: .milliseconds(1)) { rang.set() }
    bell.start()
    print(rang.wait(timeout: .seconds(20)))
    let late = DelayedCall(after: .seconds(3600)) { print("too late") }
    late.start()
    late.cancel()
    late.join()
    print(late.isAlive)
  },
]
