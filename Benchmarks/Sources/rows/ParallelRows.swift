import Spindle

/// P3, P4, P5, P7, P8, P9: work that a thread pool divides.
func parallelRows() -> [Row] {
  [
    Row("P3", "threadpool", threads: 2, count: 32, unit: "joins/s") { threads, count in
      withThreadPool(maxWorkers: threads) { pool in
        median {
          let start = seconds()
          check(fibonacci(count, pool) == 2_178_309, "fibonacci")
          let time = seconds() - start
          return Figure(value: joins(count) / time, note: "\((time * 1e4).rounded() / 1e4) s")
        }
      }
    },
    sumsOfRoots("threadpool") { pool, numbers in
      pool.reduce(pieces: 0..<numbers.count, { sumOfRoots(numbers, $0) }, +)!
    },
    sumsOfRoots("threadpool-items") { pool, numbers in pool.reduce(numbers, 0, { $0.squareRoot() }, +) },
    Row("P5", "threadpool", threads: 2, count: 1024, unit: "ms") { threads, count in
      withThreadPool(maxWorkers: threads) { pool in
        median {
          var sum = 0
          var figure = milliseconds { sum = pool.reduce(0..<count, 0, { mandelbrotRow($0) }, +) }
          check(sum == 93_042_957, "sum")
          figure.note = "sum \(sum)"
          return figure
        }
      }
    },
    Row("P7", "threadpool", threads: 2, count: 10_000_000, unit: "ms") { threads, count in
      var x: UInt64 = 88_172_645_463_325_252
      let numbers = (0..<count).map { _ in
        x = spin(x, 1)
        return x
      }
      return withThreadPool(maxWorkers: threads) { pool in
        median {
          var sorted = numbers
          sorted[0] = numbers[0]  // a copy of its own, before the clock starts
          let figure = milliseconds { pool.sort(&sorted) }
          check(zip(sorted, sorted.dropFirst()).allSatisfy { $0 <= $1 }, "order")
          return figure
        }
      }
    },
    Row("P8", "threadpool", threads: 2, count: 50_000_000, unit: "ms") { threads, count in
      let text = wordsText(count)
      let all = countWords(text, 0..<count)
      return withThreadPool(maxWorkers: threads) { pool in
        median {
          var sum = (words: 0, letters: 0)
          var figure = milliseconds {
            sum = pool.reduce(pieces: 0..<count, { countWords(text, $0) }, { ($0.words + $1.words, $0.letters + $1.letters) })!
          }
          check(sum == all, "words")
          figure.note = "\(sum.words) words"
          return figure
        }
      }
    },
    smallLoops("P9/0ms", count: 2000, pause: nil),
    smallLoops("P9/1ms", count: 300, pause: .milliseconds(1)),
  ]
}

private func sumsOfRoots(_ name: String, _ sum: @escaping (ThreadPool, [Double]) -> Double) -> Row {
  Row("P4", name, threads: 2, count: 20_000_000, unit: "ms") { threads, count in
    let numbers = (0..<count).map(Double.init)
    return withThreadPool(maxWorkers: threads) { pool in
      median {
        var serial = 0.0
        let alone = milliseconds { serial = sumOfRoots(numbers, 0..<count) }.value
        var parallel = 0.0
        let together = milliseconds { parallel = sum(pool, numbers) }.value
        check(abs(serial - parallel) < 1e-6 * serial, "sum")
        return Figure(value: together, note: "serial \(alone.rounded()) ms, x\((alone / together * 100).rounded() / 100)")
      }
    }
  }
}

/// One loop of 32 short calls after another, from a thread that is not the pool's, with or without a pause before each.
private func smallLoops(_ name: String, count: Int, pause: Duration?) -> Row {
  Row(name, "threadpool", threads: 2, count: count, unit: "us p50") { threads, count in
    let right = (0..<32).reduce(0) { $0 ^ smallCall($1) }
    return withThreadPool(maxWorkers: threads) { pool in
      medianTime(ofCalls: count, after: { if let pause { OSThread.sleep(for: pause) } }) { _ in
        check(pool.reduce(0..<32, 0, { smallCall($0) }, ^) == right, "result")
      }
    }
  }
}

func smallCall(_ number: Int) -> UInt64 { spin(88_172_645_463_325_252 + UInt64(number), 1000) }

func sumOfRoots(_ numbers: [Double], _ range: Range<Int>) -> Double {
  var sum = 0.0
  for number in numbers[range] { sum += number.squareRoot() }
  return sum
}

func mandelbrotRow(_ y: Int) -> Int {
  let ci = -1.5 + 3 * Double(y) / 1024
  var total = 0
  for x in 0..<1024 {
    let cr = -2 + 3 * Double(x) / 1024
    var zr = 0.0
    var zi = 0.0
    var steps = 0
    while steps < 500, zr * zr + zi * zi <= 4 {
      (zr, zi) = (zr * zr - zi * zi + cr, 2 * zr * zi + ci)
      steps += 1
    }
    total += steps
  }
  return total
}

func fibonacci(_ n: Int, _ pool: ThreadPool) -> Int {
  if n < 2 { return n }
  let (a, b) = pool.join { fibonacci(n - 1, pool) } _: { fibonacci(n - 2, pool) }
  return a + b
}

/// How many joins `fibonacci(n)` makes.
func joins(_ n: Int) -> Double {
  var (a, b) = (0.0, 0.0)
  for _ in 1..<n { (a, b) = (b, a + b + 1) }
  return b
}

/// P8's text: letters and, one time in five or so, what is none.
func wordsText(_ count: Int) -> [UInt8] {
  var x: UInt64 = 88_172_645_463_325_252
  return (0..<count).map { _ in
    x = spin(x, 1)
    let value = UInt8(truncatingIfNeeded: x >> 32) & 31
    return value < 26 ? UInt8(ascii: "a") + value : UInt8(ascii: " ")
  }
}

/// The words that begin in the range, and their letters.
func countWords(_ text: [UInt8], _ range: Range<Int>) -> (words: Int, letters: Int) {
  func isLetter(_ byte: UInt8) -> Bool { byte &- UInt8(ascii: "a") < 26 }
  var (index, words, letters) = (range.lowerBound, 0, 0)
  if index > 0, isLetter(text[index - 1]) {
    while index < text.count, isLetter(text[index]) { index += 1 }
  }
  while index < range.upperBound {
    if !isLetter(text[index]) {
      index += 1
      continue
    }
    let start = index
    while index < text.count, isLetter(text[index]) { index += 1 }
    words += 1
    letters += index - start
  }
  return (words, letters)
}
