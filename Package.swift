// swift-tools-version: 6.2
import PackageDescription

// Arrows only point down: each room may use the rooms below it, never one above.
//
//     SpindleCLI           the `spindle` command
//     Spindle              the one import users need
//     SpindleProcesses     = multiprocessing
//     SpindleFutures       = concurrent.futures
//     SpindleQueues        = queue
//     SpindleThreads       = threading
//     SpindleGround        parking, time, cancellation, shutdown
//     CSpindle             every system call

let strict: [SwiftSetting] = [.strictMemorySafety()]

let package = Package(
  name: "Spindle",
  products: [
    .library(name: "Spindle", targets: ["Spindle"]),
    .executable(name: "spindle", targets: ["SpindleCLI"]),
  ],
  traits: [
    .trait(
      name: "PortableParking",
      description: "Park threads on pthread mutexes and conditions instead of Linux futexes.")
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.5.0")
  ],
  targets: [
    .target(
      name: "CSpindle",
      cSettings: [.define("SPINDLE_PORTABLE_PARKING", .when(traits: ["PortableParking"]))]),
    .target(
      name: "SpindleGround", dependencies: ["CSpindle"], exclude: ["Parking/PROTOCOL.md"], swiftSettings: strict),
    .target(name: "SpindleThreads", dependencies: ["CSpindle", "SpindleGround"], swiftSettings: strict),
    .target(
      name: "SpindleQueues", dependencies: ["CSpindle", "SpindleGround", "SpindleThreads"],
      exclude: ["Slots/PROTOCOL.md"],
      swiftSettings: strict),
    .target(
      name: "SpindleFutures", dependencies: ["CSpindle", "SpindleGround", "SpindleThreads", "SpindleQueues"],
      swiftSettings: strict),
    .target(
      name: "SpindleProcesses",
      dependencies: ["CSpindle", "SpindleGround", "SpindleThreads", "SpindleQueues", "SpindleFutures"],
      exclude: ["Encoding/FORMAT.md", "ProcessPool/PROTOCOL.md", "Shared/Queue/PROTOCOL.md"],
      // Properties of classes that are spans: `SharedArray.span`.
      swiftSettings: strict + [.enableExperimentalFeature("Lifetimes")]),
    .target(
      name: "Spindle",
      dependencies: [
        "SpindleGround", "SpindleThreads", "SpindleQueues", "SpindleFutures", "SpindleProcesses",
      ],
      swiftSettings: strict),
    .executableTarget(
      name: "SpindleCLI",
      dependencies: [
        "Spindle", .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ],
      swiftSettings: strict),

    .target(name: "CSpindleTesting", path: "Tests/CSpindleTesting"),
    .target(
      name: "SpindleTestSupport",
      dependencies: ["CSpindle", "CSpindleTesting", "SpindleGround", "SpindleFutures"],
      path: "Tests/SpindleTestSupport", swiftSettings: strict),
    .testTarget(
      name: "SpindleGroundTests", dependencies: ["CSpindle", "SpindleGround", "SpindleTestSupport"],
      swiftSettings: strict),
    .testTarget(
      name: "SpindleThreadsTests",
      dependencies: [
        "CSpindle", "CSpindleTesting", "Spindle", "SpindleTestSupport", "FixtureExitMain", "FixtureExitAtMain", "FixtureExitAsyncMain",
      ],
      swiftSettings: strict),
    .testTarget(
      name: "SpindleQueuesTests", dependencies: ["Spindle", "SpindleTestSupport"],
      swiftSettings: strict),
    .testTarget(
      name: "SpindleFuturesTests", dependencies: ["Spindle", "SpindleTestSupport"],
      swiftSettings: strict),
    .testTarget(
      name: "SpindleProcessesTests",
      dependencies: [
        "CSpindle", "CSpindleTesting", "Spindle", "SpindleTestSupport", "FixtureScenarios", "FixturePlainMain", "FixtureAtMain",
        "FixtureAsyncMain",
      ],
      swiftSettings: strict),

    // A target of its own because two are compiled side by side.
    .testTarget(
      name: "SpindleSharedTests",
      dependencies: ["CSpindle", "CSpindleTesting", "Spindle", "SpindleTestSupport", "FixtureScenarios"],
      swiftSettings: strict),

    // Programs that the tests of processes start, because they must see a whole program begin and end.
    .target(
      name: "FixtureScenarios", dependencies: ["CSpindle", "Spindle"], path: "Tests/Fixtures/Scenarios",
      swiftSettings: strict),
    .executableTarget(
      name: "FixturePlainMain", dependencies: ["FixtureScenarios", "Spindle"], path: "Tests/Fixtures/PlainMain",
      swiftSettings: strict),
    .executableTarget(
      name: "FixtureAtMain", dependencies: ["FixtureScenarios", "Spindle"], path: "Tests/Fixtures/AtMain",
      swiftSettings: strict),
    .executableTarget(
      name: "FixtureAsyncMain", dependencies: ["FixtureScenarios", "Spindle"], path: "Tests/Fixtures/AsyncMain",
      swiftSettings: strict),
    // Programs whose end the tests of threads look at.
    .executableTarget(
      name: "FixtureExitMain", dependencies: ["CSpindle", "CSpindleTesting", "Spindle", "SpindleThreads"],
      path: "Tests/Fixtures/ExitMain", swiftSettings: strict),
    .executableTarget(
      name: "FixtureExitAtMain", dependencies: ["CSpindle", "Spindle"], path: "Tests/Fixtures/ExitAtMain",
      swiftSettings: strict),
    .executableTarget(
      name: "FixtureExitAsyncMain", dependencies: ["CSpindle", "Spindle"], path: "Tests/Fixtures/ExitAsyncMain",
      swiftSettings: strict),
    .testTarget(
      name: "SpindleCLITests", dependencies: ["CSpindle", "Spindle", "SpindleCLI", "SpindleTestSupport"],
      exclude: ["independent_count.py"],
      swiftSettings: strict),
  ],
  swiftLanguageModes: [.v6]
)
