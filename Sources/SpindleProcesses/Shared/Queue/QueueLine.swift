internal import CSpindle

/// Where elements with descriptors wait beside a queue's ring: a pair of sockets that all processes with the queue have both
/// ends of. The kernel keeps the descriptors; they are gone with the queue, whoever dies.
///
///     put, under the queue's lock                 take, under the queue's lock
///     P1 the next number                          T1 the record's number
///     P2 send the packet with it                  T2 drop packets with lower numbers
///     P3 a record with the number; commit         T3 receive the packet with that number; commit
///
/// Who dies after P2 leaves a packet without a record: T2. Who dies after T3's receiving leaves a record without a
/// packet: then the next packet has a higher number, or there is none, and the element is lost.
final class QueueLine: Sendable {
  let sending: OwnedDescriptor
  let receiving: OwnedDescriptor

  init() throws(SharedMemoryError) {
    switch PacketSocket.pair() {
    case .success(let ends): (sending, receiving) = ends
    case .failure(.failed(_, let reason, let number)):
      throw SharedMemoryError(
        operation: "making the sockets of a shared queue", reason: reason, errorNumber: number)
    case .failure(let error):
      throw SharedMemoryError(operation: "making the sockets of a shared queue", reason: "\(error)")
    }
  }

  /// The line that another process sent; both become ours.
  init(received sending: Int32, _ receiving: Int32) throws(SharedMemoryError) {
    self.sending = OwnedDescriptor(owning: sending)
    self.receiving = OwnedDescriptor(owning: receiving)
    guard spindle_is_packet_socket(sending), spindle_is_packet_socket(receiving) else {
      throw SharedMemoryError(
        operation: "opening a shared queue that was received", reason: "the descriptors are no sockets of a queue")
    }
  }

  /// P2. False when the line is full.
  func send(_ packet: inout PacketSocket.Packet, _ number: UInt64) throws(SharedMemoryError) -> Bool {
    do throws(PacketSocket.Failure) {
      try packet.send(to: sending.number, number: number)
      return true
    } catch {
      guard case .system(let operation, let errorNumber) = error else { return false }
      // So many descriptors are on their way in this system: it is as full as the socket.
      if errorNumber == ETOOMANYREFS { return false }
      throw SharedMemoryError(operation, errorNumber: errorNumber)
    }
  }

  /// T2 and T3; nil when it is gone.
  func receive(_ number: UInt64) -> PacketSocket.Arrival? {
    while let next = PacketSocket.nextNumber(receiving.number), next <= number {
      var arrival = PacketSocket.Arrival()
      guard (try? PacketSocket.receive(&arrival, from: receiving.number)) != nil else { return nil }
      if next == number { return arrival }
    }
    return nil
  }

  /// Drops all there is.
  func empty() {
    var arrival = PacketSocket.Arrival()
    while (try? PacketSocket.receive(&arrival, from: receiving.number)) != nil { arrival.drop() }
  }
}
