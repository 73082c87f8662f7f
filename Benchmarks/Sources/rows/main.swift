// Spindle's side of every row; the peers' programs take the same arguments and print the same line.
//
//     rows list
//     rows WORKLOAD:VARIANT [THREADS] [COUNT]
//
// A line: workload, "spindle-" and variant, threads, value, unit, note, context switches per operation, with tabs between.
import Glibc
import Spindle

let rows = lockRows() + handOffRows() + queueRows() + poolRows() + parallelRows() + taskRows() + processRows()
let arguments = Array(CommandLine.arguments.dropFirst())

guard let name = arguments.first, name != "list" else {
  for row in rows { print(row.name, row.threads) }
  exit(0)
}
let threads = arguments.count > 1 ? Int(arguments[1]) : nil
guard let row = rows.first(where: { $0.name == name && (threads == nil || $0.threads == threads) }) else {
  print("no row \(name); try: list")
  exit(64)
}
// The C library leaves atomicity out of its locks until a second thread has existed.
OSThread.spawn {}.join()
let figure = row.measure(row.threads, arguments.count > 2 ? Int(arguments[2])! : row.count)
let switches = figure.switches.map { "\($0)" } ?? ""
print(row.workload, "spindle-\(row.variant)", row.threads, figure.value, row.unit, figure.note, switches, separator: "\t")
