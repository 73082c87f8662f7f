internal import CSpindle
internal import SpindleGround

/// The worker's end of its control socket.
///
/// One thread receives; any thread may send, and a frame is never cut by another. That the parent is gone needs no care
/// here: a worker whose control socket closes is ended at once, whatever it is doing.
package final class ControlChannel: Sendable {
  /// Only in a worker, where it is this process's only one.
  package static let ofWorker = ControlChannel(socket: Int32(spindle_worker_control))

  package let socket: Int32
  /// Held across a system call that may wait for room, and contended only by the worker's own threads.
  private let sending = RawGuarded(())
  private let reader = RawGuarded(FrameReader())

  init(socket: Int32) { self.socket = socket }

  /// Both ends of a new control socket.
  static func pair(for worker: String) throws(ProcessStartError) -> (mine: OwnedDescriptor, theirs: OwnedDescriptor) {
    var mine: Int32 = -1
    var theirs: Int32 = -1
    // SAFETY: the call writes the two numbers.
    let error = unsafe spindle_control_pair(&mine, &theirs)
    if error != 0 { throw ProcessStartError(worker: worker, operation: "socketpair", errorNumber: error) }
    return (OwnedDescriptor(owning: mine), OwnedDescriptor(owning: theirs))
  }

  /// Waits for the next message; nil when there will be none.
  package func receive() -> ControlFrame? {
    reader.withLock { reader in
      guard case .frame(let frame) = reader.step(from: socket, wait: true) else { return nil }
      return frame
    }
  }

  /// Sends a message, waiting for room; false when the parent is gone.
  @discardableResult
  package func send(_ frame: ControlFrame) -> Bool {
    var writer = FrameWriter(frame)
    return sending.withLock { _ in
      guard case .done = writer.step(to: socket, wait: true) else { return false }
      return true
    }
  }
}
