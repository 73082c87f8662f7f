import Spindle
import Synchronization

/// How far the command is: which run, how much of it. Written by the runs, read by the bar and at an interruption.
final class Progress: Sendable {
  private struct State {
    var name = ""
    var tally = Tally()
    var start = ContinuousClock.now
    var total: (files: Int, bytes: Int)?
    var isOver = false
  }

  private let state = Guarded(State())

  /// Begins a run; its counters.
  func begin(_ name: String) -> Tally {
    let tally = Tally()
    state.withLock { state in
      state.name = name
      state.tally = tally
      state.start = .now
    }
    return tally
  }

  func setTotal(files: Int, bytes: Int) { state.withLock { $0.total = (files, bytes) } }

  func end() { state.withLock { $0.isOver = true } }

  var hasEnded: Bool { state.withLock { $0.isOver } }

  /// What was done, in words.
  var summary: String {
    let (name, tally, seconds) = current
    if name.isEmpty { return "nothing was counted yet" }
    return
      "\(name): \(Figures.grouped(tally.files)) files, \(Figures.megabytes(tally.bytes)) MB in "
      + "\(Figures.fixed(seconds, 1)) s"
  }

  /// The line that is shown; `step` moves a bar whose end is not known.
  func line(step: Int) -> String {
    let (name, tally, seconds) = current
    let total = state.withLock { $0.total }
    let (files, bytes) = (tally.files, tally.bytes)
    let width = 24
    let bar: String
    if let total, total.bytes > 0 {
      let part = min(1, Double(bytes) / Double(total.bytes))
      let full = Int(part * Double(width))
      bar =
        String(repeating: "#", count: full) + String(repeating: ".", count: width - full)
        + "] " + Figures.padded("\(Int(part * 100))", 3) + " %"
    } else {
      let place = step % width
      bar = String((0..<width).map { abs($0 - place) < 2 ? "#" : "." }) + "]"
    }
    let rate = seconds > 0 ? Figures.megabytes(Int(Double(bytes) / seconds), 0) : "0"
    return
      "\(Figures.padded(name, 9, right: false)) [\(bar)  \(Figures.grouped(files)) files  "
      + "\(Figures.megabytes(bytes, 0)) MB  \(rate) MB/s"
  }

  private var current: (String, Tally, Double) {
    state.withLock { ($0.name, $0.tally, (ContinuousClock.now - $0.start) / .seconds(1)) }
  }
}

/// Shows the progress on standard error while somebody sees it, ten times a second.
struct ProgressBar {
  private let progress: Progress
  private let isOver = Event()
  private let painter: OSThread<Void, Never>?

  init(_ progress: Progress) {
    self.progress = progress
    let isOver = isOver
    painter =
      Console.shared.isTerminal
      ? OSThread.spawn(name: "progress", isDaemon: true) {
        var step = 0
        while !isOver.wait(timeout: .milliseconds(100)) {
          Console.shared.show(bar: progress.line(step: step))
          step += 1
        }
      } : nil
  }

  /// Takes the bar away.
  func end() {
    progress.end()
    isOver.set()
    painter?.join()
    Console.shared.clearBar()
  }
}
