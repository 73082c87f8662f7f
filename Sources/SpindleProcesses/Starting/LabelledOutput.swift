internal import CSpindle
internal import SpindleGround

/// One stream of one child on its way to the program's: cut into lines, each behind a label.
struct LabelledOutput {
  let pipe: OwnedDescriptor
  let relay: OutputRelay
  private let label: [UInt8]
  private var line: [UInt8] = []
  /// The end of all that came.
  private var tail: [UInt8] = []
  /// Not read at present, because the relay is full.
  var isPaused = false

  /// A longer line is cut: a child that writes no line ends must not take all memory.
  private static let longestLine = 1 << 20
  private static let tailLength = 32 << 10
  private static let newline = UInt8(ascii: "\n")

  enum Step { case more, blocked, end }

  init(pipe: OwnedDescriptor, relay: OutputRelay, name: String) {
    self.pipe = pipe
    self.relay = relay
    label = Array("\(name): ".utf8)
  }

  /// Takes in what one read gives.
  mutating func step() -> Step {
    var got = 0
    // SAFETY: the call writes at most the buffer's size and says how much.
    let bytes = unsafe [UInt8](unsafeUninitializedCapacity: 64 << 10) { buffer, count in
      got = unsafe spindle_read_some(pipe.number, buffer.baseAddress!, buffer.count)
      count = max(0, got)
    }
    if got == -Int(EAGAIN) { return .blocked }
    if got <= 0 { return .end }
    tail += bytes.suffix(Self.tailLength)
    if tail.count > 2 * Self.tailLength { tail.removeFirst(tail.count - Self.tailLength) }

    var lines: [UInt8] = []
    var rest = bytes[...]
    while let end = rest.firstIndex(of: Self.newline) {
      lines += label
      lines += line
      lines += rest[...end]
      line = []
      rest = rest[(end + 1)...]
    }
    line += rest
    if line.count >= Self.longestLine { lines += takeLine() }
    relay.queue(lines)
    return .more
  }

  /// The child has ended: what it has written since its last line end is a line too.
  mutating func finish() { relay.queue(takeLine()) }

  private mutating func takeLine() -> [UInt8] {
    defer { line = [] }
    return line.isEmpty ? [] : label + line + [Self.newline]
  }

  /// The last lines that came, as text.
  var lastLines: String? {
    var bytes = tail.suffix(Self.tailLength)
    // The first may be cut.
    if tail.count > bytes.count, let end = bytes.firstIndex(of: Self.newline) { bytes = bytes[(end + 1)...] }
    if bytes.last == Self.newline { bytes.removeLast() }
    return bytes.isEmpty ? nil : String(decoding: bytes, as: UTF8.self)
  }
}
