internal import CSpindle

/// The code with which a worker begins, on its own thread, and whose result is the worker's exit code.
///
/// A C function (a closure without captures), because such a one has an address that can be told to another process of
/// the same program. It talks to its parent through `ControlChannel.ofWorker`.
package typealias WorkerEntry = @convention(c) () -> Int32

/// What this process is, when it was started as a worker.
package enum WorkerRole {
  /// True in a worker process, from before the first line of user code.
  package static var isWorker: Bool { spindle_is_worker() }

  /// The name this worker was given; nil in the program itself.
  package static var name: String? {
    // SAFETY: a C string with static storage that is written once, before the first Swift code runs.
    isWorker ? unsafe String(cString: spindle_worker_name()) : nil
  }

  /// The process that started this worker; nil in the program itself.
  package static var parentID: Int32? { isWorker ? spindle_worker_parent() : nil }
}

extension ControlFrame {
  /// The first message to a worker: which code to begin with. nil when the code lies in no image, as made at run time.
  init?(entry: WorkerEntry) {
    var place = spindle_image_place()
    // SAFETY: a C function pointer as an address; it is only compared with the bounds of the loaded images.
    let segment = unsafe spindle_image_place_of(unsafeBitCast(entry, to: UnsafeRawPointer.self), &place)
    guard segment == spindle_segment_code else { return nil }
    // SAFETY: a plain C structure without padding, read as its bytes.
    self.init(kind: .entry, bytes: unsafe withUnsafeBytes(of: place) { unsafe Array($0) })
  }

  var entry: WorkerEntry? {
    guard kind == .entry, bytes.count == MemoryLayout<spindle_image_place>.size else { return nil }
    // SAFETY: three integers, for which every bit pattern is a value.
    let place = unsafe bytes.withUnsafeBytes { unsafe $0.loadUnaligned(as: spindle_image_place.self) }
    var segment = spindle_segment_none
    guard let code = unsafe spindle_image_address(place, 1, &segment), segment == spindle_segment_code else {
      return nil
    }
    // SAFETY: the parent made the place from a WorkerEntry, and the image is of the same build.
    return unsafe unsafeBitCast(code, to: WorkerEntry.self)
  }
}

/// Called by worker_entry.c on the worker's own thread, when the hello has been sent.
@_cdecl("spindle_worker_main")
func spindleWorkerMain(_ socket: Int32) -> Int32 {
  guard let entry = ControlChannel.ofWorker.receive()?.entry else { return 127 }
  return entry()
}
