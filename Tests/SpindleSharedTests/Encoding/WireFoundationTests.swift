import Foundation
import SpindleProcesses
import Testing

/// Foundation's own types, when the user has Foundation.
@Suite struct WireFoundationTests {
  private func roundTrip<T: Codable & Equatable>(_ value: T) throws {
    #expect(try Wire.decode(T.self, from: Wire.encode(value)) == value)
    #expect(try Wire.decode([T?].self, from: Wire.encode([value, nil])) == [value, nil])
    #expect(try Wire.decode([String: T].self, from: Wire.encode(["key": value])) == ["key": value])
  }

  @Test("Data, Date, URL, UUID, Decimal and their like come back equal")
  func valueTypes() throws {
    try roundTrip(Data([0, 255, 7]))
    try roundTrip(Data())
    try roundTrip(Date(timeIntervalSinceReferenceDate: 123.456))
    try roundTrip(URL(string: "https://example.com/a?b=c#d")!)
    try roundTrip(URL(fileURLWithPath: "/tmp/x y"))
    try roundTrip(UUID())
    try roundTrip(Decimal(string: "-12345678901234567890.0123456789")!)
    try roundTrip(DateComponents(year: 2026, month: 2, day: 3))
    try roundTrip(DateInterval(start: Date(timeIntervalSince1970: 0), duration: 5))
    try roundTrip(IndexSet([1, 2, 3, 9]))
    try roundTrip(CharacterSet.decimalDigits)
    try roundTrip(Calendar(identifier: .gregorian))
    try roundTrip(TimeZone(identifier: "UTC")!)
    try roundTrip(Locale(identifier: "de_DE"))
    try roundTrip(Measurement(value: 3, unit: UnitLength.meters))
    try roundTrip(PersonNameComponents(givenName: "Ada", familyName: "Lovelace"))
    try roundTrip(NSRange(location: 3, length: 4))
  }

  @Test("a megabyte of Data comes back, in about its own size")
  func largeData() throws {
    let data = Data((0..<1_000_000).map { UInt8(truncatingIfNeeded: $0 &* 31) })
    let bytes = try Wire.encode(data)
    #expect(try Wire.decode(Data.self, from: bytes) == data)
    #expect(bytes.count < 1_000_016)
  }

  @Test("Data is written as an array of bytes, and read from whatever an array of bytes is read from")
  func dataAsBytes() throws {
    let bytes: [UInt8] = [0, 1, 200, 255]
    #expect(try Wire.encode(Data(bytes)) == Wire.encode(bytes))
    #expect(try Wire.encode(Data(bytes)[1..<3]) == Wire.encode(Array(bytes[1..<3])))
    #expect(try Wire.decode([UInt8].self, from: Wire.encode(Data(bytes))) == bytes)
    #expect(try Wire.decode(Data.self, from: Wire.encode([0, 1, 200, 255])) == Data(bytes))
    #expect(try Wire.decode(Data.self, from: Wire.encode([Int?](arrayLiteral: 0, 1, 200, 255))) == Data(bytes))
    #expect(throws: DecodingError.self) { try Wire.decode(Data.self, from: Wire.encode([0, 256])) }
    #expect(throws: DecodingError.self) { try Wire.decode(Data.self, from: Wire.encode("text")) }
    let whole = try Wire.encode(Data(bytes))
    for length in whole.indices {
      #expect(throws: DecodingError.self) { try Wire.decode(Data.self, from: Array(whole[..<length])) }
    }
  }
}
