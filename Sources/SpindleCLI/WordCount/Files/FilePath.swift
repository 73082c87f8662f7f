/// A path as the system knows it: bytes, which need not be UTF-8.
package struct FilePath: Hashable, Comparable, Codable, Sendable, CustomStringConvertible {
  package private(set) var bytes: [UInt8]

  package init(_ bytes: some Sequence<UInt8>) { self.bytes = Array(bytes) }

  package init(_ text: String) { bytes = Array(text.utf8) }

  /// The path of an entry of this directory.
  package func appending(_ name: some Collection<UInt8>) -> FilePath {
    var path = self
    path.bytes.reserveCapacity(bytes.count + 1 + name.count)
    if path.bytes.last != slash { path.bytes.append(slash) }
    path.bytes.append(contentsOf: name)
    return path
  }

  /// For people; bytes that are no UTF-8 become U+FFFD.
  package var description: String { String(decoding: bytes, as: UTF8.self) }

  package static func < (a: FilePath, b: FilePath) -> Bool { a.bytes.lexicographicallyPrecedes(b.bytes) }
}

private let slash = UInt8(ascii: "/")
