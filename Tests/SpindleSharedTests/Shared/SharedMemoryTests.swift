import Glibc
import SpindleProcesses
import SpindleTestSupport
import Testing

import Spindle

// Not private: its name travels.
struct Particle: BitwiseCopyable, Sendable, Equatable {
  var place: SIMD4<Double>
  var mass: Float
}

private func addOne(_ value: SharedValue<Int>, _ times: Int) { for _ in 0..<times { value.withLock { $0 += 1 } } }
private func fill(_ array: SharedArray<Double>, _ range: Range<Int>) {
  for index in range { array[index] = Double(index * index) }
}
private func sum(_ memory: SharedMemory) -> Int { (0..<memory.byteCount).reduce(0) { $0 + Int(memory[$1]) } }
private func move(_ particle: SharedValue<Particle>) { particle.withLock { $0.place += SIMD4(1, 2, 3, 4) } }
private func shrink(_ descriptor: Int32) -> Int32 { ftruncate(descriptor, 0) }
private func sendBack(_ array: SharedArray<Int>) -> SharedArray<Int> { array[0] = 42; return array }
private func keepAdding(_ value: SharedValue<SIMD64<UInt8>>, _ begun: SharedEvent) {
  begun.set()
  while true { value.withLock { $0 &+= 1 } }
}

@Suite(.watchdog(seconds: 120)) struct SharedMemoryTests {
  @Test func `a value is read, written and changed under its lock`() throws {
    let value = SharedValue<Int32>(5)
    #expect(value.value == 5)
    value.value = 6
    value.value += 1
    #expect(
      value.withLock {
        $0 += 1; return $0
      } == 8)
    value.lock.withLock { value.value += 1 }
    #expect(value.value == 9 && "\(value)" == "SharedValue(9)")
    struct Odd: Error {}
    #expect(throws: Odd.self) {
      try value.withLock {
        $0 = 3; throw Odd()
      }
    }
    #expect(value.value == 3 && !value.lock.isLocked)
  }

  @Test func `processes change a value and lose nothing`() throws {
    let value = SharedValue(0)
    let children = (0..<2).map { _ in ChildProcess(target: addOne, value, 5000) }
    for child in children { child.start() }
    addOne(value, 5000)
    for child in children { try child.join() }
    #expect(value.value == 15_000)
  }

  @Test func `a value may be a structure of any alignment`() throws {
    let particle = SharedValue(Particle(place: .zero, mass: 2))
    let child = ChildProcess(target: move, particle)
    child.start()
    try child.join()
    #expect(particle.value == Particle(place: SIMD4(1, 2, 3, 4), mass: 2))
  }

  @Test func `a value is whole whenever a writer is killed`() throws {
    let value = SharedValue(SIMD64<UInt8>(repeating: 0))
    for _ in 0..<10 {
      let begun = SharedEvent()
      let child = ChildProcess(target: keepAdding, value, begun)
      child.start()
      begun.wait()
      let before = value.value
      eventually { value.value != before }
      child.kill()
      #expect(throws: WorkerDiedError.self) { try child.join() }
      let now = value.value
      #expect(now == SIMD64(repeating: now[0]))
    }
  }

  @Test func `an array is filled by processes`() throws {
    let array = SharedArray<Double>(count: 1000)
    let children = [0..<500, 500..<1000].map { ChildProcess(target: fill, array, $0) }
    for child in children { child.start() }
    for child in children { try child.join() }
    #expect(array.enumerated().allSatisfy { $1 == Double($0 * $0) })
    #expect(array.span[999] == 998_001)
  }

  @Test func `an array is made of elements, of one element, or of zeros`() throws {
    #expect(Array(SharedArray([3, 1, 2])) == [3, 1, 2])
    #expect(Array(SharedArray(repeating: UInt8(7), count: 3)) == [7, 7, 7])
    #expect(Array(SharedArray<Int>(count: 2)) == [0, 0])
    #expect(SharedArray<Int>(count: 0).isEmpty && SharedArray([Float]()).count == 0)
    #expect(try SharedArray<Int>(committing: 10).count == 10)
    let array = SharedArray([3, 1, 2])
    #expect(array.sorted() == [1, 2, 3] && array[1...].reduce(0, +) == 3 && array.span.count == 3)
    var span = array.mutableSpan
    span[0] = 9
    array.withLock { $0[1] += 10 }
    array.lock.withLock { array[2] += 1 }
    #expect(Array(array) == [9, 11, 3])
  }

  @Test func `an array comes back from a child as the same array`() throws {
    let array = SharedArray<Int>(count: 1)
    let child = ChildProcess(target: sendBack, array)
    child.start()
    let same = try child.join()
    same[0] += 1
    #expect(array[0] == 43)
  }

  @Test func `an index out of bounds is a mistake`() async {
    await #expect(processExitsWith: .failure) { _ = SharedArray<Int>(count: 3)[3] }
    await #expect(processExitsWith: .failure) { SharedArray<Int>(count: 3)[-1] = 0 }
    await #expect(processExitsWith: .failure) { _ = SharedMemory(byteCount: 3)[3] }
    await #expect(processExitsWith: .failure) { _ = SharedMemory(byteCount: 8).load(fromByteOffset: 1, as: Int.self) }
    await #expect(processExitsWith: .failure) { _ = SharedArray<Int>(count: -1) }
    await #expect(processExitsWith: .failure) { _ = SharedArray<Int>(count: .max / 4) }
    await #expect(processExitsWith: .failure) { _ = SharedMemory(byteCount: -1) }
    await #expect(processExitsWith: .failure) { _ = SharedMemory(byteCount: .max) }
  }

  @Test func `memory is seen as bytes and as values`() throws {
    let memory = SharedMemory(byteCount: 1000)
    #expect(memory.byteCount == 1000 && memory[999] == 0)
    memory.store(UInt32(0x0102_0304), toByteOffset: 1)
    #expect(memory.load(fromByteOffset: 1, as: UInt32.self) == 0x0102_0304 && memory[1] == 4)
    memory[0] = 1
    memory.copy([1, 1, 1], toByteOffset: 997)
    var bytes = memory.mutableBytes
    bytes.storeBytes(of: 5, toByteOffset: 100, as: UInt8.self)
    #expect(memory.bytes.byteCount == 1000)
    let child = ChildProcess(target: sum, memory)
    child.start()
    #expect(try child.join() == 1 + 10 + 3 + 5)
    #expect(SharedMemory(byteCount: 0).byteCount == 0)
  }

  @Test func `large memory costs nothing until it is used`() throws {
    let memory = SharedMemory(byteCount: 1 << 40)
    memory[1 << 39] = 1
    #expect(memory[1 << 39] == 1)
    #expect(throws: SharedMemoryError.self) { try SharedMemory(committing: 1 << 45) }
  }

  @Test func `what arrives is checked: another kind, another type, fewer elements than it says`() throws {
    func arrive<T: Codable>(_ type: T.Type, from value: some Codable) throws -> T {
      let sent = AttachmentList()
      let bytes = try Wire.encode(value, attachments: sent)
      return try Wire.decode(type, from: bytes, attachments: AttachmentList(received: sent.descriptors.map { dup($0) }))
    }
    #expect(try arrive(SharedArray<Int>.self, from: SharedArray([1, 2])).count == 2)
    #expect(throws: SharedMemoryError.self) { try arrive(SharedArray<Int32>.self, from: SharedArray([1, 2])) }
    #expect(throws: SharedMemoryError.self) { try arrive(SharedArray<Int>.self, from: SharedMemory(byteCount: 9)) }
    #expect(throws: SharedMemoryError.self) { try arrive(SharedValue<Int>.self, from: SharedValue(Int8(1))) }
    #expect(throws: SharedMemoryError.self) { try arrive(SharedLock.self, from: SharedEvent()) }
    #expect(throws: SharedMemoryError.self) { try arrive(SharedBarrier.self, from: SharedCondition()) }
    #expect(throws: DecodingError.self) { try arrive(SharedQueue<Int>.self, from: SharedMemory(byteCount: 9999)) }
  }

  @Test func `nobody can cut shared memory off`() throws {
    let memory = SharedMemory(byteCount: 10_000)
    let list = AttachmentList()
    _ = try Wire.encode(memory, attachments: list)
    #expect(ftruncate(list.descriptors[0], 0) == -1)
    #expect(memory[9999] == 0)
  }

  @Test func `without descriptors objects work here, and sending them says why it cannot be`() async {
    await #expect(processExitsWith: .success) {
      var limit = rlimit(rlim_cur: 0, rlim_max: 0)
      _ = unsafe setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
      let lock = SharedLock(), value = SharedValue(1), barrier = SharedBarrier(1)
      lock.withLock { value.withLock { $0 += 1 } }
      #expect(value.value == 2 && (try? barrier.wait()) == 0)
      #expect(throws: SharedMemoryError.self) { try Wire.encode(lock, attachments: AttachmentList()) }
    }
  }
}
