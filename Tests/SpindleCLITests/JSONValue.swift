/// A strict reader of JSON, for what the command prints: the whole text is one value, and every key comes once.
enum JSONValue: Equatable {
  case object([String: JSONValue])
  case array([JSONValue])
  case text(String)
  case number(Double)
  case word(String)

  struct Malformed: Error { let place: Int }

  init(parsing text: String) throws {
    var parser = Parser(bytes: Array(text.utf8))
    self = try parser.value()
    parser.space()
    if parser.place != parser.bytes.count { throw Malformed(place: parser.place) }
  }

  subscript(key: String) -> JSONValue? {
    if case .object(let members) = self { members[key] } else { nil }
  }

  subscript(index: Int) -> JSONValue? {
    if case .array(let elements) = self, elements.indices.contains(index) { elements[index] } else { nil }
  }

  var keys: Set<String> {
    if case .object(let members) = self { Set(members.keys) } else { [] }
  }

  private struct Parser {
    let bytes: [UInt8]
    var place = 0

    mutating func space() {
      while place < bytes.count, [32, 10, 13, 9].contains(bytes[place]) { place += 1 }
    }

    /// Takes a character that must come now, or may.
    mutating func take(_ character: Unicode.Scalar) -> Bool {
      space()
      guard place < bytes.count, bytes[place] == UInt8(ascii: character) else { return false }
      place += 1
      return true
    }

    mutating func expect(_ character: Unicode.Scalar) throws {
      if !take(character) { throw Malformed(place: place) }
    }

    mutating func value() throws -> JSONValue {
      space()
      guard place < bytes.count else { throw Malformed(place: place) }
      switch bytes[place] {
      case UInt8(ascii: "{"):
        place += 1
        var members: [String: JSONValue] = [:]
        if take("}") { return .object(members) }
        repeat {
          space()
          let key = try string()
          try expect(":")
          if members.updateValue(try value(), forKey: key) != nil { throw Malformed(place: place) }
        } while take(",")
        try expect("}")
        return .object(members)
      case UInt8(ascii: "["):
        place += 1
        var elements: [JSONValue] = []
        if take("]") { return .array(elements) }
        repeat { elements.append(try value()) } while take(",")
        try expect("]")
        return .array(elements)
      case UInt8(ascii: "\""): return .text(try string())
      default:
        let start = place
        while place < bytes.count, ![44, 93, 125, 32, 10].contains(bytes[place]) { place += 1 }
        let token = String(decoding: bytes[start..<place], as: UTF8.self)
        if ["true", "false", "null"].contains(token) { return .word(token) }
        guard let number = Double(token), !token.hasPrefix("+"), !token.hasPrefix(".") else {
          throw Malformed(place: start)
        }
        return .number(number)
      }
    }

    mutating func string() throws -> String {
      guard place < bytes.count, bytes[place] == UInt8(ascii: "\"") else { throw Malformed(place: place) }
      place += 1
      var text: [UInt8] = []
      while place < bytes.count, bytes[place] != UInt8(ascii: "\"") {
        if bytes[place] < 0x20 { throw Malformed(place: place) }
        if bytes[place] == UInt8(ascii: "\\") {
          place += 1
          guard place < bytes.count else { throw Malformed(place: place) }
          switch bytes[place] {
          case UInt8(ascii: "n"): text.append(10)
          case UInt8(ascii: "t"): text.append(9)
          case UInt8(ascii: "r"): text.append(13)
          case UInt8(ascii: "u"):
            guard place + 4 < bytes.count,
              let code = UInt8(String(decoding: bytes[place + 1...place + 4], as: UTF8.self), radix: 16)
            else { throw Malformed(place: place) }
            text.append(code)
            place += 4
          case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): text.append(bytes[place])
          default: throw Malformed(place: place)
          }
        } else {
          text.append(bytes[place])
        }
        place += 1
      }
      guard place < bytes.count else { throw Malformed(place: place) }
      place += 1
      return String(decoding: text, as: UTF8.self)
    }
  }
}

extension JSONValue: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral, ExpressibleByArrayLiteral,
  ExpressibleByDictionaryLiteral
{
  init(stringLiteral value: String) { self = .text(value) }
  init(integerLiteral value: Int) { self = .number(Double(value)) }
  init(arrayLiteral elements: JSONValue...) { self = .array(elements) }
  init(dictionaryLiteral elements: (String, JSONValue)...) {
    self = .object(Dictionary(uniqueKeysWithValues: elements))
  }
}
