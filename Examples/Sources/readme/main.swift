import Spindle

let pages = Queue<String>(capacity: 100)                  // bounded: put waits when it is full
let reader = OSThread.spawn(name: "reader") {
  for page in pages { print(page) }                       // until shut down
}
try withThreadPool(maxWorkers: 8) { pool in
  for page in pool.map(urls, { fetch($0) }) { try pages.put(page) }   // in order, lazily
}
pages.shutdown()
reader.join()

try withProcessPool { pool in                             // a call that crashes ends no other, and not this program
  print(try pool.submit(riskyParser, data).result())
}
