import Glibc
import Spindle

/// The scenarios with a process pool. False when it is none of these.
func runPool(scenario: String) -> Bool {
  switch scenario {
  case "pool.leave":
    // Nobody shuts it down, nobody waits: the end of the program does. What a worker prints is buffered until its end.
    let pool = ProcessPool(maxWorkers: 2)
    for number in 0..<6 { pool.submit(printLine, "ran \(number)") }
    unsafe leftOpen = pool
    say("main returns")
  case "pool.interrupt":
    // The program decides that Ctrl-C means nothing: its workers go on.
    _ = signal(SIGINT, SIG_IGN)
    let pool = ProcessPool(maxWorkers: 1)
    let path = "/tmp/spindle-interrupt-\(getpid())"
    unsafe mkfifo(path, 0o600)
    let future = pool.submit(awaitOpening, path)
    _ = readLine()
    close(unsafe open(path, O_WRONLY))
    unsafe unlink(path)
    say("result \(try! future.result())")
    pool.shutdown()
  case "pool.idle", "pool.busy":
    let pool = ProcessPool(maxWorkers: 2)
    if scenario == "pool.busy" {
      for _ in 0..<2 { pool.submit(spin) }
    } else {
      // One after the other, until both have had one.
      try? pool.submit(tell).result()
      say("child \(getpid())")
    }
    unsafe leftOpen = pool
    _ = readLine()
    exit(3)
  case "pool.rest", "pool.rest-of-a-copy":
    let pool = ProcessPool(maxWorkers: 1, startMethod: scenario == "pool.rest" ? .spawn : .forkServer)
    for future in (0..<1000).map({ pool.submit(increment, $0) }) { _ = try! future.result() }
    _ = try! pool.submit(giveBack, [UInt8](repeating: 1, count: 4_000_000)).result()
    try! pool.submit(tell).result()
    _ = readLine()
    pool.shutdown()
  case "pool.shutdown":
    // It waits for calls that do not end.
    let pool = ProcessPool(maxWorkers: 2)
    for _ in 0..<2 { pool.submit(spin) }
    pool.shutdown()
  case "pool.nested":
    let pool = ProcessPool(maxWorkers: 1)
    pool.submit(nestPool)
    unsafe leftOpen = pool
    while true { pause() }
  default: return false
  }
  return true
}

nonisolated(unsafe) private var leftOpen: ProcessPool?

private func printLine(_ line: String) { print(line) }

private func awaitOpening(_ path: String) -> Int {
  say("begun")
  close(unsafe open(path, O_RDONLY))
  return 1
}

private func increment(_ number: Int) -> Int { number + 1 }

private func giveBack(_ bytes: [UInt8]) -> [UInt8] { bytes }

private func tell() { say("child \(getpid())") }

private func spin() {
  say("child \(getpid())")
  var x: UInt64 = 1
  while x != 0 { x = x &* 6_364_136_223_846_793_005 | 1 }
}

private func nestPool() throws {
  say("child \(getpid())")
  let inner = ProcessPool(maxWorkers: 1)
  try inner.submit(spin).result()
}
