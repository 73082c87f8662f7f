internal import CSpindle
internal import SpindleGround

/// The output of children with `output: .labelled`: read here, written by `OutputRelay`.
extension SupervisorLoop {
  /// So much is read of one stream before others get their turn.
  private static let share = 4
  /// So much more is read of a child that has ended; a program that it left behind may go on writing for ever.
  private static let rest = 64
  /// So long the end of a child waits for its last lines to be written, should the program's output be blocked.
  static let outputGrace = Duration.seconds(1)

  /// The pipes of a child to be started, and the ends that are for the child.
  func makeOutputs(for worker: WorkerProcess) -> Result<
    [(mine: LabelledOutput, theirs: OwnedDescriptor)], ProcessStartError
  > {
    guard worker.options.output == .labelled else { return .success([]) }
    var outputs: [(mine: LabelledOutput, theirs: OwnedDescriptor)] = []
    for relay in [OutputRelay.standardOutput, .standardError] {
      var mine: Int32 = -1
      var theirs: Int32 = -1
      // SAFETY: the call writes the two numbers.
      let error = unsafe spindle_output_pipe(&mine, &theirs)
      guard error == 0 else {
        return .failure(ProcessStartError(worker: worker.name, operation: "pipe", errorNumber: error))
      }
      let output = LabelledOutput(pipe: OwnedDescriptor(owning: mine), relay: relay, name: worker.name)
      outputs.append((output, OwnedDescriptor(owning: theirs)))
    }
    return .success(outputs)
  }

  mutating func watchOutputs(_ id: UInt64, _ made: [LabelledOutput]) -> ProcessStartError? {
    for (tag, output) in zip([Tag.output(id), Tag.errors(id)], made) {
      outputs[tag] = output
      if let error = watch(output.pipe, tag, of: id) { return error }
    }
    return nil
  }

  /// Takes in what a child has written, a bounded share.
  mutating func readOutput(_ tag: UInt64, limit: Int = share) {
    for _ in 0..<limit {
      guard let output = outputs[tag] else { return }
      guard output.relay.hasRoom else {
        _ = spindle_epoll_set(epoll!.number, output.pipe.number, 0, 0, false)
        outputs[tag]!.isPaused = true
        return
      }
      switch outputs[tag]!.step() {
      case .more: continue
      case .blocked: return
      case .end:
        // The lines of a stream that the child has closed are told at its end, so its rest is kept until then.
        _ = spindle_epoll_set(epoll!.number, output.pipe.number, 0, 0, false)
        if children[tag >> Tag.bits] == nil { outputs[tag] = nil }
        return
      }
    }
  }

  /// The relay has room again, or has come further.
  mutating func resumeOutputs() {
    for (tag, output) in outputs where output.isPaused && output.relay.hasRoom {
      outputs[tag]!.isPaused = false
      let error = spindle_epoll_set(epoll!.number, output.pipe.number, tag, UInt32(spindle_ready_read.rawValue), true)
      if error != 0 { outputs[tag] = nil }
    }
  }

  /// The child has ended: all that it has written is taken in. What a program that it has started goes on to write is passed on as
  /// long as that lives.
  mutating func endOutputs(_ id: UInt64) -> (errors: String?, marks: [(relay: OutputRelay, mark: UInt64)]) {
    var marks: [(relay: OutputRelay, mark: UInt64)] = []
    let errors = outputs[Tag.errors(id)] == nil ? nil : drain(Tag.errors(id))
    if outputs[Tag.output(id)] != nil { _ = drain(Tag.output(id)) }
    for relay in [OutputRelay.standardOutput, .standardError] { marks.append((relay, relay.mark)) }
    return (errors, marks)
  }

  private mutating func drain(_ tag: UInt64) -> String? {
    var step = LabelledOutput.Step.more
    for _ in 0..<Self.rest {
      step = outputs[tag]!.step()
      guard case .more = step else { break }
    }
    outputs[tag]!.finish()
    let lines = outputs[tag]!.lastLines
    if case .end = step {
      _ = spindle_epoll_set(epoll!.number, outputs[tag]!.pipe.number, 0, 0, false)
      outputs[tag] = nil
    }
    return lines
  }
}
