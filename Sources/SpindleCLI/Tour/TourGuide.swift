/// Runs stops and shows them.
struct TourGuide {
  let style: Style

  /// Whether every outcome was the documented one.
  func show(_ sections: [TourSection]) -> Bool {
    var (good, all) = (0, 0)
    for section in sections {
      Output.write("\n\(style.headline(section.title))\n")
      for stop in section.stops {
        let outcome = stop.run()
        let isGood = stop.isAsDocumented(outcome)
        all += 1
        if isGood { good += 1 }
        Output.write(text(stop, outcome, isGood))
      }
    }
    let verdict = "\(good) of \(all) as documented"
    Output.write("\n\(good == all ? style.good("✓ \(verdict)") : style.bad("✗ \(verdict)"))\n")
    return good == all
  }

  private func text(_ stop: Stop, _ outcome: Stop.Outcome, _ isGood: Bool) -> String {
    var text = "\n\(isGood ? style.good("✓") : style.bad("✗")) \(style.quiet(stop.python))\n"
    for line in stop.swift.split(separator: "\n", omittingEmptySubsequences: false) { text += "    \(line)\n" }
    for line in outcome.printed { text += "    \(style.result("→ \(line)"))\n" }
    if let failure = outcome.failure { text += "    \(style.bad("→ \(failure)"))\n" }
    if !isGood { text += "    \(style.bad("documented: \(stop.prints.joined(separator: " | "))"))\n" }
    return text
  }
}
