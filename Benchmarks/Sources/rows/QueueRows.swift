import Spindle

/// An element that is allocated by the producer and freed by the consumer.
final class Parcel: Message {
  let number: Int
  init(_ number: Int) { self.number = number }
}

/// Q1, Q2, Q4: queues with and without a bound.
func queueRows() -> [Row] {
  var rows: [Row] = []
  for (capacity, count) in [(1, 200_000), (64, 2_000_000), (1024, 4_000_000)] {
    for (shape, producers, consumers) in shapes {
      rows.append(
        Row("Q1/\(capacity)/\(shape)", "queue", threads: producers + consumers, count: count, unit: "msg/s") { _, count in
          median {
            traffic(Queue<Int>(capacity: capacity), count, producers: producers, consumers: consumers)
          }
        })
    }
  }
  for (shape, producers, consumers) in shapes where producers == consumers {
    rows.append(
      Row("Q2/\(shape)", "queue", threads: producers + consumers, count: 4_000_000, unit: "msg/s") { _, count in
        median {
          traffic(Queue<Int>(), count, producers: producers, consumers: consumers)
        }
      })
  }
  rows.append(
    Row("Q4", "queue", threads: 2, count: 2_000_000, unit: "msg/s") { _, count in
      median {
        traffic(Queue<Parcel>(capacity: 1024), count, producers: 1, consumers: 1)
      }
    })
  return rows
}
