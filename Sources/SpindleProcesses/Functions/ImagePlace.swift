internal import CSpindle

/// An address in the program or one of its libraries, by a name that holds in every process of the same program.
struct ImagePlace: Codable, Hashable, Sendable {
  enum Segment { case code, data }

  private let high: UInt64
  private let low: UInt64
  private let offset: UInt64

  init?(of address: UnsafeRawPointer, in wanted: Segment? = nil) {
    var place = spindle_image_place()
    let segment = unsafe spindle_image_place_of(address, &place)
    switch wanted {
    case .code: guard segment == spindle_segment_code else { return nil }
    case .data: guard segment == spindle_segment_data else { return nil }
    case nil: guard segment != spindle_segment_none else { return nil }
    }
    high = place.image_high
    low = place.image_low
    offset = place.offset
  }

  init(from decoder: any Decoder) throws {
    var container = try decoder.unkeyedContainer()
    high = try container.decode(UInt64.self)
    low = try container.decode(UInt64.self)
    offset = try container.decode(UInt64.self)
  }

  func encode(to encoder: any Encoder) throws {
    var container = encoder.unkeyedContainer()
    try container.encode(high)
    try container.encode(low)
    try container.encode(offset)
  }

  /// The address in this process, if its image is loaded, with that many bytes of the segment behind it.
  func address(in wanted: Segment? = nil, byteCount: Int = 1) -> UnsafeRawPointer? {
    var segment = spindle_segment_none
    let place = spindle_image_place(image_high: high, image_low: low, offset: offset)
    guard let address = unsafe spindle_image_address(place, byteCount, &segment) else { return nil }
    switch wanted {
    case .code: return unsafe segment == spindle_segment_code ? address : nil
    case .data: return unsafe segment == spindle_segment_data ? address : nil
    case nil: return unsafe address
    }
  }
}
