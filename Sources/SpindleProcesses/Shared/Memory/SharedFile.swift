internal import CSpindle
internal import SpindleGround
internal import Synchronization

/// A file in memory that has no name: shared by those who hold its descriptor, gone with the last of them.
///
/// It may grow, and never shrinks: what is mapped stays readable, whatever another process does.
final class SharedFile: Sendable {
  let descriptor: Int32

  /// - Parameter label: what /proc shows; it names nothing.
  init(label: String, byteCount: Int) throws(SharedMemoryError) {
    descriptor = unsafe label.withCString { unsafe spindle_shared_create($0, UInt64(byteCount)) }
    if descriptor < 0 {
      throw SharedMemoryError("making \(byteCount) bytes of shared memory", errorNumber: -descriptor)
    }
  }

  /// Takes over a descriptor that another process sent; closes it when it is not what it should be.
  init(received descriptor: Int32) throws(SharedMemoryError) {
    self.descriptor = descriptor
    // What throws from here on closes it: the object is complete.
    if !spindle_shared_is_ours(descriptor) {
      throw SharedMemoryError(
        operation: "opening a shared object that was received", reason: "the descriptor is no shared memory")
    }
  }

  deinit { if descriptor >= 0 { _ = spindle_close(descriptor) } }

  func byteCount() throws(SharedMemoryError) -> Int {
    let size = spindle_shared_size(descriptor)
    if size < 0 { throw SharedMemoryError("looking at shared memory", errorNumber: Int32(-size)) }
    return Int(size)
  }

  func grow(to byteCount: Int) throws(SharedMemoryError) {
    let error = spindle_shared_grow(descriptor, UInt64(byteCount))
    if error != 0 { throw SharedMemoryError("growing shared memory to \(byteCount) bytes", errorNumber: error) }
  }

  /// Takes the memory now, so that writing to it cannot fail.
  func commit(_ range: Range<Int>) throws(SharedMemoryError) {
    let error = spindle_shared_commit(descriptor, UInt64(range.lowerBound), UInt64(range.count))
    if error != 0 { throw SharedMemoryError("taking \(range.count) bytes of shared memory", errorNumber: error) }
  }

  /// Gives the memory back; what was there is lost.
  func release(_ range: Range<Int>) {
    spindle_shared_release(descriptor, UInt64(range.lowerBound), UInt64(range.count))
  }
}

/// A part of a `SharedFile` in this process's memory.
// SAFETY: base and count are constant. What lies there is shared, and has its own guards.
@safe final class SharedMapping: @unchecked Sendable {
  let base: UnsafeMutableRawPointer
  let count: Int

  init(_ file: SharedFile, _ range: Range<Int>) throws(SharedMemoryError) {
    var error: Int32 = 0
    let base = unsafe spindle_shared_map(file.descriptor, UInt64(range.lowerBound), range.count, &error)
    guard let base = unsafe base else {
      throw SharedMemoryError("mapping \(range.count) bytes of shared memory", errorNumber: error)
    }
    unsafe self.base = unsafe base
    count = range.count
  }

  /// Memory that no other process can have. That there is none ends the program, as for any small allocation.
  init(ofThisProcess count: Int, for label: String) {
    guard let base = unsafe spindle_shared_map_private(count) else {
      mistake("there is no memory left for a \(label) of \(count) bytes")
    }
    unsafe self.base = unsafe base
    self.count = count
  }

  deinit { unsafe spindle_shared_unmap(base, count) }

  /// The atomic word at an offset, which must be inside and aligned.
  func word32(at offset: Int) -> UnsafeMutablePointer<Atomic<UInt32>> {
    unsafe (base + offset).assumingMemoryBound(to: Atomic<UInt32>.self)
  }

  func word64(at offset: Int) -> UnsafeMutablePointer<Atomic<UInt64>> {
    unsafe (base + offset).assumingMemoryBound(to: Atomic<UInt64>.self)
  }
}
