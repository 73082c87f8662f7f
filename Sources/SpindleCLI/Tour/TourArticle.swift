extension Tour {
  /// The cheat sheet as the first article of the documentation: the tour's own lines, so that it cannot go stale.
  package static var article: String {
    var text = """
      # The cheat sheet

      Every line that a user knows from Python, in Swift.

      ## Overview

      `import Spindle` brings all of it. Each line below was compiled and run, and printed what stands beside the arrow:
      `spindle tour` runs them again. This page is written by `spindle tour --article`.

      """
    for section in sections {
      text += "\n## \(section.title)\n"
      for stop in section.stops {
        text += "\n`\(stop.python)`\n\n```swift\n\(stop.swift)\n"
        for line in stop.prints { text += "// → \(line)\n" }
        text += "```\n"
      }
    }
    return text
  }
}
