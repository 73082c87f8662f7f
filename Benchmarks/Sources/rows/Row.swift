/// One line of the table: a workload done one way. What the workloads are: `Benchmarks/README.md`.
struct Row {
  let workload: String
  let variant: String
  let threads: Int
  let count: Int
  let unit: String
  let measure: (_ threads: Int, _ count: Int) -> Figure

  init(
    _ workload: String, _ variant: String, threads: Int, count: Int = 0, unit: String,
    _ measure: @escaping (_ threads: Int, _ count: Int) -> Figure
  ) {
    self.workload = workload
    self.variant = variant
    self.threads = threads
    self.count = count
    self.unit = unit
    self.measure = measure
  }

  var name: String { "\(workload):\(variant)" }
}

struct Figure {
  var value: Double
  var note = ""
  /// Context switches per operation, where they are counted.
  var switches: Double?
}
