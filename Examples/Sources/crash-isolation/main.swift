// One of these calls traps. It alone fails, with an error that says how; the pool goes on.
import Spindle

try withProcessPool(maxWorkers: 2) { pool in
  let futures = (0..<6).map { (index: $0, element: pool.submit(element, $0)) }
  for future in futures {
    do {
      print("element \(future.index) is \(try future.element.result())")
    } catch let death as WorkerDiedError {
      print("element \(future.index): \(death)")
    }
  }
}
