import Glibc
import Spindle
import Synchronization

/// One call of `spindle wordcount`: the runs, what is shown while they last, and the report.
struct WordCount {
  let paths: [FilePath]
  let modes: [Mode]
  let workers: Int
  let top: Int

  /// Counts and reports; the exit status.
  func run(json: Bool) -> Int32 {
    let progress = Progress()
    let interruption = Interruption { progress.summary }
    let bar = ProgressBar(progress)
    let runs = runAll(progress, interruption)
    bar.end()
    if interruption.isRequested {
      interruption.sayWhatWasDone()
      return interruption.exitStatus
    }
    let report = Report(runs: runs)
    for problem in report.problems { Console.shared.say("skipped \(problem)") }
    Output.write(json ? report.json : report.text)
    if !report.isConsistent {
      Console.shared.say("the modes do not agree; were files changed while they were counted?")
      return ExitStatus.disagreement.code
    }
    return report.problems.isEmpty ? ExitStatus.success.code : ExitStatus.incomplete.code
  }

  private func runAll(_ progress: Progress, _ interruption: Interruption) -> [Run] {
    func work(_ name: String) -> Work {
      let tally = progress.begin(name)
      return Work(paths: paths, workers: workers, top: top, tally: tally) { interruption.isRequested }
    }
    if modes.count > 1 {
      // So that the first mode does not pay for the disk, and the bar knows the end.
      let tally = work("reading")
      _ = countOnThreads(tally, into: Counting(), isCounting: false)
      progress.setTotal(files: tally.tally.files, bytes: tally.tally.bytes)
    } else if Console.shared.isTerminal {
      estimate(progress, interruption)
    }
    var runs: [Run] = []
    for mode in modes where !interruption.isRequested { runs.append(Run(mode, work(mode.rawValue))) }
    return runs
  }

  /// Finds out how much there is, for the bar alone.
  private func estimate(_ progress: Progress, _ interruption: Interruption) {
    let work = Work(paths: paths, workers: 1, top: 0, tally: Tally()) {
      interruption.isRequested || progress.hasEnded
    }
    OSThread.spawn(name: "estimate", isDaemon: true) {
      var (files, bytes) = (0, 0)
      _ = Search(work) { file in
        files += 1
        bytes += file.size
        return true
      }
      progress.setTotal(files: files, bytes: bytes)
    }
  }
}
