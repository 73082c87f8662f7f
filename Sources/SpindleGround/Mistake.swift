/// Ends the program because its author made a mistake that no run-time handling can mend.
///
/// The message names the mistake and what to do instead.
@usableFromInline @inline(never)
package func mistake(_ message: @autoclosure () -> String, file: StaticString = #file, line: UInt = #line) -> Never {
  fatalError("Spindle: " + message(), file: file, line: line)
}
