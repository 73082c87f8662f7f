internal import CSpindle
internal import SpindleThreads

/// States of the encoding that no writer or reader uses, one of each kind for each thread: to make one costs as much as to code a
/// small value. References are counted by hand, because whoever gives a state back must own the last one.
// SAFETY: each of the thread's two words owns its state.
enum SpareStates {
  /// Releases what its thread has left.
  private final class Owner {
    deinit {
      unsafe SpareStates.take(EncodingState.self, &spindle_local_spares().pointee.encoding)?.release()
      unsafe SpareStates.take(DecodingState.self, &spindle_local_spares().pointee.decoding)?.release()
      unsafe spindle_local_spares().pointee.has_owner = false
    }
  }
  private static let owners = ThreadLocal { Owner() }

  @inline(__always)
  private static func take<State: AnyObject>(_: State.Type, _ word: inout UnsafeMutableRawPointer?) -> Unmanaged<State>? {
    guard let raw = unsafe word else { return nil }
    unsafe word = nil
    return unsafe Unmanaged.fromOpaque(raw)
  }

  @inline(__always)
  private static func keep<State: AnyObject>(_ state: Unmanaged<State>, _ word: inout UnsafeMutableRawPointer?) {
    let last = unsafe word
    unsafe word = state.toOpaque()
    if let last = unsafe last { unsafe Unmanaged<State>.fromOpaque(last).release() }
  }

  @inline(never)
  private static func addOwner() {
    _ = owners.value
    unsafe spindle_local_spares().pointee.has_owner = true
  }

  static func takeEncoding() -> Unmanaged<EncodingState> {
    unsafe take(EncodingState.self, &spindle_local_spares().pointee.encoding) ?? .passRetained(EncodingState())
  }

  static func takeDecoding() -> Unmanaged<DecodingState> {
    unsafe take(DecodingState.self, &spindle_local_spares().pointee.decoding) ?? .passRetained(DecodingState())
  }

  /// The state is used again when nobody has kept an encoder.
  static func giveBack(_ reference: Unmanaged<EncodingState>) {
    var state = unsafe reference.takeRetainedValue()
    guard isKnownUniquelyReferenced(&state), state.isReusable else { return }
    state.rest()
    if unsafe !spindle_local_spares().pointee.has_owner { addOwner() }
    unsafe keep(Unmanaged.passRetained(state), &spindle_local_spares().pointee.encoding)
  }

  /// The state reads nothing any more, and is used again when nobody has kept a decoder.
  static func giveBack(_ reference: Unmanaged<DecodingState>) {
    var state = unsafe reference.takeRetainedValue()
    state.invalidate()
    guard isKnownUniquelyReferenced(&state) else { return }
    state.rest()
    if unsafe !spindle_local_spares().pointee.has_owner { addOwner() }
    unsafe keep(Unmanaged.passRetained(state), &spindle_local_spares().pointee.decoding)
  }
}
