// swift-tools-version: 6.2
import PackageDescription

// A package of its own, so that users of Spindle do not build it. The loops are written as a user writes them:
// through the public API, in another module.
let package = Package(
  name: "Benchmarks",
  dependencies: [.package(name: "Spindle", path: "..")],
  targets: [
    .executableTarget(name: "rows", dependencies: [.product(name: "Spindle", package: "Spindle")]),
    .target(name: "CCounting"),
    .executableTarget(name: "growth", dependencies: [.product(name: "Spindle", package: "Spindle")]),
    .executableTarget(name: "operations", dependencies: ["CCounting", .product(name: "Spindle", package: "Spindle")]),
  ],
  swiftLanguageModes: [.v6]
)
