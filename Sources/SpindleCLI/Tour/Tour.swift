/// A part of the cheat sheet: one of Python's modules.
package struct TourSection: Sendable {
  package let name: String
  package let title: String
  package let stops: [Stop]
}

/// The cheat sheet, section by section.
package enum Tour {
  package static let sections = [
    TourSection(
      name: "threading", title: "threading: threads, locks, coordination",
      stops: threadStops + lockStops + coordinationStops),
    TourSection(name: "queue", title: "queue: handing things over", stops: queueStops),
    TourSection(name: "futures", title: "concurrent.futures: pools and their futures", stops: futureStops),
    TourSection(name: "processes", title: "os, multiprocessing: work that may crash", stops: processStops + sharedStops + actorStops),
  ]
}
