/// The first byte of every value; `FORMAT.md` beside this file has the whole picture.
enum WireTag {
  // 0x00...0x7F: the integers 0...127.
  static let end: UInt8 = 0x80
  static let null: UInt8 = 0x81
  static let falseValue: UInt8 = 0x82
  static let trueValue: UInt8 = 0x83
  static let float: UInt8 = 0x84
  static let double: UInt8 = 0x85
  static let string: UInt8 = 0x86
  static let keyed: UInt8 = 0x87
  static let unkeyed: UInt8 = 0x88
  static let packed: UInt8 = 0x89
  static let some: UInt8 = 0x8A
  static let attachment: UInt8 = 0x8B
  // 0x90...0x94: a magnitude of 1, 2, 4, 8, 16 bytes; 0x98...0x9C: the same for -1 - magnitude.
  static let positive: UInt8 = 0x90
  static let negative: UInt8 = 0x98
  // 0xA0...0xBF: the integers -1...-32.
  static let smallNegative: UInt8 = 0xA0
  // 0xC0...0xFF: a string of 0...63 bytes.
  static let shortString: UInt8 = 0xC0
}

/// What the elements of a packed array are; the raw value is the byte in the encoding: the scalar in the low four bits, and
/// how many of them make a vector in the high ones.
struct PackedKind: Equatable {
  enum Scalar: UInt8 {
    case uint8, int8, uint16, int16, uint32, int32, uint64, int64, uint128, int128, float, double, bool, float16

    var byteCount: Int {
      switch self {
      case .uint8, .int8, .bool: 1
      case .uint16, .int16, .float16: 2
      case .uint32, .int32, .float: 4
      case .uint64, .int64, .double: 8
      case .uint128, .int128: 16
      }
    }
  }

  let scalar: Scalar
  /// An index into the tables below; 0 is no vector.
  let shape: UInt8
  let byteCount: Int

  private static let lanes = [1, 2, 3, 4, 8, 16, 32, 64]

  init(_ scalar: Scalar, shape: UInt8 = 0) {
    self.scalar = scalar
    self.shape = shape
    // Three lanes lie in memory as four.
    byteCount = scalar.byteCount * (shape == 2 ? 4 : Self.lanes[Int(shape)])
  }

  init?(rawValue: UInt8) {
    guard let scalar = Scalar(rawValue: rawValue & 0xF), rawValue >> 4 < Self.lanes.count else { return nil }
    self.init(scalar, shape: rawValue >> 4)
  }

  var rawValue: UInt8 { shape << 4 | scalar.rawValue }
  var laneCount: Int { Self.lanes[Int(shape)] }
}

/// The bound on how deep values may nest, in both directions.
///
/// Each level costs frames on the thread's stack in code that is not ours (`encode(to:)`, `init(from:)`), so the bound
/// is what turns an endless value, or bytes made to overflow the stack, into an error.
enum WireLimit {
  static let depth = 512
}
