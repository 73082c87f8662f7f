/// What the runs came to, as a table or as JSON.
struct Report {
  let runs: [Run]

  private var first: Run { runs[0] }

  /// What was skipped, in any run; each once.
  var problems: [FileProblem] {
    Set(runs.flatMap(\.outcome.problems)).sorted { ($0.path, $0.operation) < ($1.path, $1.operation) }
  }

  /// Whether all modes counted the same.
  var isConsistent: Bool {
    runs.allSatisfy { $0.summary == first.summary && $0.outcome == first.outcome }
  }

  // MARK: For people

  var text: String {
    var rows = [["mode", "workers", "seconds", "files/s", "MB/s", "speed-up"]]
    let serial = runs.first { $0.mode == .serial }
    for run in runs {
      rows.append([
        run.mode.rawValue, "\(run.workers)", Figures.fixed(run.seconds, 3),
        Figures.fixed(Double(run.outcome.files) / run.seconds, 0),
        Figures.fixed(Double(run.outcome.bytes) / 1e6 / run.seconds, 1),
        serial.map { Figures.fixed($0.seconds / run.seconds, 2) + "x" } ?? "-",
      ])
    }
    var text = table(rows, leftColumns: [0])
    let (summary, outcome) = (first.summary, first.outcome)
    if runs.count > 1 {
      text += isConsistent ? "\nThe counts of the modes are equal.\n" : "\nTHE COUNTS OF THE MODES DIFFER:\n"
    }
    for run in isConsistent ? [first] : runs {
      text += isConsistent ? "\n" : "\(run.mode.rawValue): "
      text +=
        "\(Figures.grouped(run.outcome.files)) files, \(Figures.grouped(run.outcome.bytes)) bytes, "
        + "\(Figures.grouped(run.summary.words)) words, \(Figures.grouped(run.summary.unique)) different"
      text += run.outcome.problems.isEmpty ? "\n" : ", \(Figures.grouped(run.outcome.problems.count)) skipped\n"
    }
    _ = outcome
    if !summary.top.isEmpty {
      text +=
        "\n" + table([["count", "word"]] + summary.top.map { [Figures.grouped($0.count), $0.word] }, leftColumns: [1])
    }
    return text
  }

  private func table(_ rows: [[String]], leftColumns: Set<Int>) -> String {
    let widths = rows[0].indices.map { column in rows.map { $0[column].count }.max()! }
    var text = ""
    for row in rows {
      let cells = row.indices.map { column in
        let isLeft = leftColumns.contains(column)
        // Nothing is padded behind the last column.
        if isLeft, column == row.count - 1 { return row[column] }
        return Figures.padded(row[column], widths[column], right: !isLeft)
      }
      text += cells.joined(separator: "  ") + "\n"
    }
    return text
  }

  // MARK: For programs

  var json: String {
    let (summary, outcome) = (first.summary, first.outcome)
    let skipped = Set(problems.map(\.path)).sorted().map { JSON.text($0.description) }
    let runs = runs.map { run in
      "{\"mode\":\(JSON.text(run.mode.rawValue)),\"workers\":\(run.workers),\"seconds\":\(JSON.number(run.seconds))}"
    }
    let top = summary.top.map { "{\"word\":\(JSON.text($0.word)),\"count\":\($0.count)}" }
    return "{\"files\":\(outcome.files),\"bytes\":\(outcome.bytes),\"words\":\(summary.words),"
      + "\"unique\":\(summary.unique),\"skipped\":[\(skipped.joined(separator: ","))],"
      + "\"runs\":[\(runs.joined(separator: ","))],\"top\":[\(top.joined(separator: ","))]}\n"
  }
}

/// The little of JSON that is written here.
enum JSON {
  /// A string with its quotation marks.
  static func text(_ text: String) -> String {
    var result = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": result += "\\\""
      case "\\": result += "\\\\"
      case "\n": result += "\\n"
      case "\t": result += "\\t"
      case "\r": result += "\\r"
      case _ where scalar.value < 0x20:
        let digits = String(scalar.value, radix: 16)
        result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result + "\""
  }

  /// A number of seconds, to the microsecond.
  static func number(_ value: Double) -> String {
    let micros = max(0, Int((value * 1e6).rounded()))
    let part = String(micros % 1_000_000)
    return "\(micros / 1_000_000)." + String(repeating: "0", count: 6 - part.count) + part
  }
}
