import Glibc

/// Colour for terminals, nothing for files and pipes.
struct Style {
  let isColoured: Bool

  /// Coloured when standard output is a terminal and NO_COLOR is not set (see no-color.org).
  static var forOutput: Style {
    let forbids = unsafe getenv("NO_COLOR").map { unsafe $0.pointee != 0 } ?? false
    let isDumb = unsafe getenv("TERM").map { unsafe String(cString: $0) == "dumb" } ?? true
    return Style(isColoured: Output.isTerminal && !forbids && !isDumb)
  }

  func headline(_ text: String) -> String { painted(text, "1;4") }
  func good(_ text: String) -> String { painted(text, "1;32") }
  func bad(_ text: String) -> String { painted(text, "1;31") }
  func quiet(_ text: String) -> String { painted(text, "2") }
  func result(_ text: String) -> String { painted(text, "36") }

  private func painted(_ text: String, _ code: String) -> String {
    isColoured ? "\u{1B}[\(code)m\(text)\u{1B}[0m" : text
  }
}
